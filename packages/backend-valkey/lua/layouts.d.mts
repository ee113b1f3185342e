/** What a record of one kind holds: its letter in Lua, and its fields in their order with what each means. */
export interface Layout {
  readonly letter: string
  readonly fields: Readonly<Record<string, string>>
}

export const layouts: Readonly<Record<string, Layout>>
