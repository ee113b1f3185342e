/** The small language of types in which the headers of the Lua files say what a function takes. */

const scalars = new Set(['string', 'int', 'number', 'boolean', 'unknown'])

/** `name: type, …` → the arguments' types, and the same as TypeScript. */
export function parseArgs(file, text) {
  const parser = createParser(file, `[${text}]`)
  const type = parser.type()
  parser.end()
  return { items: type.items, text: `[${text.replaceAll(/\bint\b/g, 'number')}]` }
}

function createParser(file, text) {
  const tokens = text.match(/\w+|\[\]|[[\],:]/g) ?? []
  let at = 0
  const fail = () => {
    throw new Error(`${file}: cannot read its types at ${tokens.slice(at, at + 5).join(' ')}`)
  }
  const take = (token) => {
    if (tokens[at] !== token) fail()
    at += 1
  }
  const type = () => {
    let found
    if (tokens[at] === '[]') {
      // No arguments at all.
      at += 1
      return { kind: 'tuple', items: [] }
    }
    if (tokens[at] === '[') {
      at += 1
      const items = []
      while (tokens[at] !== ']') {
        if (!/^\w+$/.test(tokens[at] ?? '')) fail()
        at += 1
        take(':')
        items.push(type())
        if (tokens[at] === ',') at += 1
        else if (tokens[at] !== ']') fail()
      }
      at += 1
      found = { kind: 'tuple', items }
    } else {
      if (!scalars.has(tokens[at])) fail()
      found = { kind: tokens[at] }
      at += 1
    }
    while (tokens[at] === '[]') {
      at += 1
      found = { kind: 'list', of: found }
    }
    return found
  }
  return { type, end: () => at === tokens.length || fail() }
}
