import {
  type ApiToken,
  parseLaneId,
  parseNamespace,
  parseTokenId,
  type TokenScope,
  tokenScopes,
} from '@flowfabric/core'
import { type Command, Option } from 'commander'
import { type ClientFlags, withAdministration, withClientOptions } from '../connect.js'
import { formatJson, formatTable, formatTime } from '../format.js'
import type { Terminal } from '../terminal.js'
import { readDuration, readTime } from '../time.js'

interface ReasonFlags extends ClientFlags {
  readonly reason?: string
}

const ofAll = '(all)'

/** `token`, `keyring`, `namespaces` and `audit`: what needs the scope `admin`. */
export function addAdministration(program: Command, terminal: Terminal): void {
  addTokens(program.command('token').description('create, list and revoke API tokens'), terminal)
  addKeyring(program.command('keyring').description('list, add and retire signing keys'), terminal)
  addNamespaces(program.command('namespaces').description('list namespaces, and record one'), terminal)
  addAudit(program, terminal)
}

interface CreateFlags extends ReasonFlags {
  readonly scope: readonly TokenScope[]
  readonly allow?: readonly string[]
  readonly lane?: readonly string[]
  readonly label?: string
  readonly expiresIn?: string
}

function addTokens(token: Command, terminal: Terminal): void {
  withReason(withClientOptions(token.command('create').description('mint a token; its text is told once')))
    .addOption(
      new Option('--scope <scope...>', 'what it may be used for').choices(tokenScopes).makeOptionMandatory(),
    )
    .option('--allow <namespace...>', 'the namespaces that it opens (default: all)')
    .option('--lane <lane...>', 'the lanes that it may claim from (default: all)')
    .option('--label <text>', 'what it is for')
    .option('--expires-in <duration>', 'such as 90d or 12h (default: it does not)')
    .action((flags: CreateFlags) =>
      withAdministration(terminal, flags, async ({ tokens }) => {
        const { scope: scopes, label = '', reason, expiresIn } = flags
        const created = await tokens.create({
          label,
          scopes,
          namespaces: flags.allow?.map(parseNamespace) ?? null,
          lanes: flags.lane?.map(parseLaneId) ?? null,
          expiresAtMs: expiresIn === undefined ? null : Date.now() + readDuration(expiresIn),
          reason,
        })
        // The token alone on its line of the output, so that it can be piped into a secret store.
        if (flags.json) return terminal.out(formatJson(created))
        terminal.err(`Token ${created.id}; it is shown this once:`)
        terminal.out(created.text)
      }),
    )

  withPages(
    withClientOptions(token.command('list').description('list tokens, without their secrets')),
  ).action((flags: PageFlags) =>
    withAdministration(terminal, flags, async ({ tokens }) => {
      const page = await tokens.list(pageOf(flags))
      if (flags.json) return terminal.out(formatJson(page))
      const rows = page.items.map((each) => [
        each.id,
        each.label,
        each.scopes.join(','),
        each.namespaces?.join(',') ?? ofAll,
        each.lanes?.join(',') ?? ofAll,
        describeEnd(each),
      ])
      terminal.out(formatTable(['token', 'label', 'scopes', 'namespaces', 'lanes', 'ends'], rows))
      tellMore(terminal, page)
    }),
  )

  withReason(
    withClientOptions(
      token.command('revoke <token>').description('revoke a token, by its id, for ever; it takes up to 2 s'),
    ),
  ).action((id: string, flags: ReasonFlags) =>
    withAdministration(terminal, flags, async ({ tokens }) => {
      const answer = await tokens.revoke({ tokenId: parseTokenId(id), reason: flags.reason })
      terminal.out(flags.json ? formatJson(answer) : answer.outcome)
    }),
  )
}

function describeEnd({ expiresAtMs, revokedAtMs }: ApiToken): string {
  return revokedAtMs === null ? formatTime(expiresAtMs) : `revoked ${formatTime(revokedAtMs)}`
}

function addKeyring(keyring: Command, terminal: Terminal): void {
  withClientOptions(keyring.command('list').description('list signing keys, without their secrets')).action(
    (flags: ClientFlags) =>
      withAdministration(terminal, flags, async (admin) => {
        const { keys } = await admin.keyring.list()
        if (flags.json) return terminal.out(formatJson(keys))
        const rows = keys.map((key) => [
          key.keyId,
          key.fingerprint.slice(0, 12),
          formatTime(key.signsFromMs),
          formatTime(key.retiredAtMs),
          formatTime(key.verifiesUntilMs),
        ])
        terminal.out(formatTable(['key', 'fingerprint', 'signs from', 'retired', 'verifies until'], rows))
      }),
  )

  withReason(
    withClientOptions(
      keyring
        .command('add <key>')
        .description('record a key whose secret all servers have (FF_SIGNING_KEYS)'),
    ),
  )
    .option(
      '--signs-from <time>',
      'when it begins to sign: an ISO time, or a duration from now (default: now)',
    )
    .option('--fingerprint <hex>', 'that of its secret (default: of the secret that the server has)')
    .action((keyId: string, flags: ReasonFlags & { signsFrom?: string; fingerprint?: string }) =>
      withAdministration(terminal, flags, async (admin) => {
        const { signsFrom, fingerprint, reason } = flags
        const signsFromMs = signsFrom === undefined ? undefined : readTime(signsFrom)
        const answer = await admin.keyring.add({ keyId, fingerprint, signsFromMs, reason })
        terminal.out(
          flags.json
            ? formatJson(answer)
            : `${answer.outcome}: ${keyId} signs from ${formatTime(answer.key.signsFromMs)}`,
        )
      }),
    )

  withReason(
    withClientOptions(
      keyring
        .command('retire <key>')
        .description('sign nothing new with a key, for ever, and verify until a time'),
    ),
  )
    .requiredOption('--verify-until <time>', 'an ISO time, or a duration from now such as 30d')
    .action((keyId: string, flags: ReasonFlags & { verifyUntil: string }) =>
      withAdministration(terminal, flags, async (admin) => {
        const answer = await admin.keyring.retire({
          keyId,
          verifyUntilMs: readTime(flags.verifyUntil),
          reason: flags.reason,
        })
        terminal.out(
          flags.json
            ? formatJson(answer)
            : `retired: ${keyId} verifies until ${formatTime(answer.key.verifiesUntilMs)}`,
        )
      }),
    )
}

function addNamespaces(namespaces: Command, terminal: Terminal): void {
  withPages(
    withClientOptions(namespaces.command('list').description('list namespaces that were recorded')),
  ).action((flags: PageFlags) =>
    withAdministration(terminal, flags, async (admin) => {
      const page = await admin.namespaces.list(pageOf(flags))
      if (flags.json) return terminal.out(formatJson(page))
      const rows = page.items.map(({ namespace, label, accepting }) => [
        namespace,
        label,
        accepting ? 'accepting' : 'closed to new work',
      ])
      terminal.out(formatTable(['namespace', 'label', 'state'], rows))
      tellMore(terminal, page)
    }),
  )

  withReason(
    withClientOptions(
      namespaces
        .command('put <name>')
        .description('record a namespace: its label, and whether it takes new work'),
    ),
  )
    .option('--label <text>', 'what it is', '')
    .option('--closed', 'servers refuse new executions and flows; what was accepted goes on')
    .action((name: string, flags: ReasonFlags & { label: string; closed?: boolean }) =>
      withAdministration(terminal, flags, async (admin) => {
        const { label, closed = false, reason } = flags
        const answer = await admin.namespaces.put({
          namespace: parseNamespace(name),
          label,
          accepting: !closed,
          reason,
        })
        terminal.out(flags.json ? formatJson(answer) : answer.outcome)
      }),
    )
}

interface AuditFlags extends PageFlags {
  readonly of?: string
  readonly actor?: string
  readonly subject?: string
}

function addAudit(program: Command, terminal: Terminal): void {
  withPages(withClientOptions(program.command('audit').description('what operators did, the newest first')))
    .option('--of <namespace>', 'only in this namespace')
    .option('--actor <subject>', 'only what these credentials did')
    .option('--subject <id>', 'only what was done to this')
    .action((flags: AuditFlags) =>
      withAdministration(terminal, flags, async ({ audit }) => {
        const { of, actor, subject } = flags
        const namespace = of === undefined ? undefined : parseNamespace(of)
        const page = await audit.list({ ...pageOf(flags), namespace, actor, subject })
        if (flags.json) return terminal.out(formatJson(page))
        const rows = page.items.map((entry) => [
          formatTime(entry.atMs),
          entry.actor,
          entry.action,
          entry.namespace ?? '-',
          entry.subjects.join(' '),
          entry.outcome ?? 'not known',
          entry.reason ?? '',
        ])
        terminal.out(formatTable(['time', 'who', 'action', 'namespace', 'what', 'outcome', 'why'], rows))
        tellMore(terminal, page)
      }),
    )
}

interface PageFlags extends ClientFlags {
  readonly limit: string
  readonly cursor?: string
}

function withPages(command: Command): Command {
  return command
    .option('--limit <n>', 'how many', '100')
    .option('--cursor <cursor>', 'go on where the page before ended')
}

function pageOf({ limit, cursor }: PageFlags) {
  return { limit: Number(limit), cursor }
}

function tellMore(terminal: Terminal, { nextCursor }: { readonly nextCursor: string | null }): void {
  if (nextCursor !== null) terminal.err(`There are more; ask with --cursor ${nextCursor}`)
}

function withReason(command: Command): Command {
  return command.option('--reason <text>', 'why, for the record')
}
