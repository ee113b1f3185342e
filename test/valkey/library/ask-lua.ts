import { Redis } from 'iovalkey'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { createTestValkey } from '../../support/servers/test-valkey.js'

export interface LuaRules {
  /**
   * Runs some modules of the library by themselves. `question` is Lua that sees them, may put functions of its own into
   * them, and answers a list about one case, called `case`. Cases and answers go as JSON: numbers that must be exact are
   * answered as text.
   */
  ask(
    modules: readonly string[],
    cases: readonly unknown[],
    question: string,
  ): Promise<readonly (readonly unknown[])[]>
  close(): Promise<void>
}

/** So much is asked with one script. */
const CASES_MAX = 2_000

export async function openLuaRules(): Promise<LuaRules> {
  const database = await createTestValkey()
  const client = new Redis(database.url)
  return {
    async ask(modules, cases, question) {
      const script = `local ${modules.join(', ')} = ${modules.map(() => '{}').join(', ')}
        ${modules.map((name) => `do ${textOf(name)} end`).join('\n')}
        local told = {}
        for place, case in ipairs(cjson.decode(ARGV[1])) do told[place] = (function() ${question} end)() end
        return cjson.encode(told)`
      const answers: (readonly unknown[])[] = []
      for (let from = 0; from < cases.length; from += CASES_MAX) {
        const some = JSON.stringify(cases.slice(from, from + CASES_MAX))
        answers.push(...(JSON.parse(String(await client.eval(script, 0, some))) as unknown[][]))
      }
      return answers
    },
    async close() {
      client.disconnect()
      await database.drop()
    },
  }
}

/** The text of a module, with fields as their places. */
function textOf(module: string): string {
  const [, rest] = library.source.split(`do -- shared/${module}.lua\n`)
  const [text] = (rest ?? '').split('\nend\ndo -- shared/')
  if (text === undefined || text === '') throw new Error(`the library has no module ${module}`)
  return text
}
