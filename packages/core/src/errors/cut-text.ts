const CUT_LENGTH = 80

/** A value from outside as short text for a message or an error's details: never longer than 80 characters. */
export function cutText(value: unknown): string {
  if (typeof value !== 'string') return `(${value === null ? 'null' : typeof value})`
  return value.length <= CUT_LENGTH ? value : `${value.slice(0, CUT_LENGTH - 1)}…`
}
