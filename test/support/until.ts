/** Waits until the look answers something, as often as it takes within the deadline: for what happens outside the test's hands. */
export async function until<Answer>(
  what: string,
  look: () => Promise<Answer | undefined | null | false> | Answer | undefined | null | false,
  deadlineMs = 10_000,
): Promise<Answer> {
  const overAtMs = performance.now() + deadlineMs
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const answer = await look()
    if (answer !== undefined && answer !== null && answer !== false) return answer
    if (performance.now() > overAtMs) throw new Error(`waited ${deadlineMs} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
