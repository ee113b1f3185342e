import { isEngineError } from '@flowfabric/core'
import { Command, CommanderError } from 'commander'
import { version } from '../version.js'
import { addAdministration } from './commands/administration.js'
import { addBudgets } from './commands/budgets.js'
import { addBulk } from './commands/bulk.js'
import { addHooking } from './commands/hooking.js'
import { addListing } from './commands/listing.js'
import { addQuotas } from './commands/quotas.js'
import { addScheduling } from './commands/scheduling.js'
import { addServing } from './commands/serving.js'
import { addShowing } from './commands/showing.js'
import { addSignalling } from './commands/signalling.js'
import { addSteering } from './commands/steering.js'
import { addStoreCommands } from './commands/store-commands.js'
import { addStreaming } from './commands/streaming.js'
import { addSubmitting } from './commands/submitting.js'
import { addTailing } from './commands/tailing.js'
import { CommandError, exitCodes, type Terminal } from './terminal.js'

/** Runs a command line, and answers its exit code. Errors are one line for people; `FF_LOG_LEVEL=debug` adds the stack. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(args, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    // Commander has said what was wrong, or what was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    terminal.err(describeError(error))
    if (terminal.env.FF_LOG_LEVEL === 'debug' && error instanceof Error) terminal.err(error.stack ?? '')
    return exitCodeOf(error)
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('flowfabric')
    .description('Durable execution: a server, and what to ask of one.')
    .version(version)
    // A command below another one reads its own options, also where that has some of the same names.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
Exit codes: ${exitCodes.ok} done, ${exitCodes.refused} refused, ${exitCodes.usage} command line or configuration, ${exitCodes.unreachable} server or store not reachable, ${exitCodes.notFound} not found.`,
    )
  addServing(program, terminal)
  addStoreCommands(program, terminal)
  const flow = program.command('flow').description('submit and show flows')
  addSubmitting(program, flow, terminal)
  addListing(program, terminal)
  addShowing(program, flow, terminal)
  addSteering(program, terminal)
  addSignalling(program, terminal)
  addScheduling(program, terminal)
  addBulk(program, terminal)
  addBudgets(program, terminal)
  addQuotas(program, terminal)
  addHooking(program, terminal)
  addTailing(program, terminal)
  addAdministration(program, terminal)
  addStreaming(program, terminal)
  return program
}

function describeError(error: unknown): string {
  if (isEngineError(error)) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode
  if (!isEngineError(error)) return exitCodes.refused
  switch (error.kind) {
    case 'not_found':
      return exitCodes.notFound
    case 'transport':
      return exitCodes.unreachable
    case 'validation':
      return exitCodes.usage
    default:
      return error.code === 'store_unreachable' ? exitCodes.unreachable : exitCodes.refused
  }
}
