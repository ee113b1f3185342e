/**
 * Writes the Lua that looks whether the arguments of a call are what the header of its function says, so that whatever
 * comes below the typed wrapper is refused before anything is read.
 */
export function luaChecks({ items }) {
  const lines = items.flatMap((type, index) => checkLines(type, `a[${index + 1}]`, 1))
  return `function(a)\n${lines.join('\n')}\nreturn true\nend`
}

function checkLines(type, value, depth) {
  const refuse = (condition) => [`if ${condition} then return false end`]
  switch (type.kind) {
    case 'string':
      return refuse(`type(${value}) ~= 'string'`)
    case 'number':
      return refuse(`type(${value}) ~= 'number' or ${value} ~= ${value}`)
    case 'int': {
      const v = `v${depth}`
      return [
        'do',
        `local ${v} = ${value}`,
        ...refuse(`type(${v}) ~= 'number' or ${v} < 0 or ${v} > 9007199254740991 or ${v} % 1 ~= 0`),
        'end',
      ]
    }
    case 'boolean':
      return refuse(`type(${value}) ~= 'boolean'`)
    case 'unknown':
      return []
    case 'list': {
      const i = `i${depth}`
      return [
        ...refuse(`type(${value}) ~= 'table'`),
        `for ${i} = 1, #${value} do`,
        ...checkLines(type.of, `${value}[${i}]`, depth + 1),
        'end',
      ]
    }
    case 'tuple': {
      const t = `t${depth}`
      return [
        `do local ${t} = ${value}`,
        ...refuse(`type(${t}) ~= 'table'`),
        ...type.items.flatMap((item, index) => checkLines(item, `${t}[${index + 1}]`, depth + 1)),
        'end',
      ]
    }
  }
}
