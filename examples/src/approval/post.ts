export interface Letter {
  readonly to: string
  readonly text: string
  /** Where the answer is posted to, if there is a server. */
  readonly url: string | null
  /** The right to answer as this person: a secret, so it is in this letter and nowhere else. */
  readonly token: string
}

/** Stands in for e-mail: what is sent goes to the terminal. */
export interface Post {
  invite(letter: Letter): void
  remind(people: readonly string[]): void
}

export function createPost(say: (text: string) => void): Post {
  return {
    invite({ to, text, url, token }) {
      say(`✉ to ${to}: ${text}. Answer here with “${to} approve”, or with`)
      say(
        `    curl -X POST ${url} -H 'FF-Waitpoint-Token: ${token}' -H 'content-type: application/json' -d '{"name":"approve"}'`,
      )
    },
    remind: (people) => say(`✉ to ${people.join(', ')}: the order still waits for you`),
  }
}
