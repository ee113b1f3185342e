/** Made by `scripts/build-library.mjs` of `lua/layouts.mjs`: the place of each field in a record. */
export const executionFields = {
  /** lifecycle phase */
  phase: 0,
  /** ownership */
  own: 1,
  /** eligibility */
  elig: 2,
  /** blocking reason */
  why: 3,
  /** terminal outcome */
  out: 4,
  /** attempt state */
  att: 5,
  /** route: namespace, lane, kind and capabilities, interned */
  rid: 6,
  /** order of acceptance in the partition */
  seq: 7,
  /** ms */
  created: 8,
  /** 0…9000 */
  priority: 9,
  /** from 1 */
  generation: 10,
  /** raised by every claim */
  epoch: 11,
  /** epoch when the generation began: claimed in it when epoch is greater */
  gen_epoch: 12,
  /** how many there were, over all generations */
  attempts: 13,
  /** initial and retry attempts of the generation */
  retries: 14,
  /** leases lost in it */
  reclaims: 15,
  /** how often it was replayed */
  replays: 16,
  /** what claims queue by; 0 while it has no ready time */
  score: 17,
  /** ms; 0: none */
  ready_at: 18,
  /** when it first became eligible in the generation, ms; 0: not yet */
  first_at: 19,
  /** ms; 0: none */
  not_before: 20,
  /** why it waits for that time */
  delay: 21,
  /** 1: its group has not let it go */
  deps: 22,
  /** 1: an operator holds it */
  held: 23,
  /** 1: a finaliser, which a cancelling flow may spare */
  always: 24,
  /** its flow's id, or '' */
  flow: 25,
  /** as a node of its flow, or '' */
  name: 26,
  /** '<lease>.<epoch>' that was handed back, or '' */
  yielded: 27,
  /** cause of a cancel that was asked for, or '' */
  asked: 28,
  /** when that grace ends, ms */
  grace: 29,
  /** cause of its cancel, or '' */
  cause: 30,
  /** cause that would cancel it once nobody needs it any more, or '' */
  wanted: 31,
  /** what that does to its ancestors: 'c' cancel, 'l' let run */
  wanted_anc: 32,
  /** ms; 0: not yet */
  ended: 33,
  /** until when it is kept, ms */
  kept: 34,
  /** the last attempt, or 0 */
  attempt: 35,
  /** policies that Lua carries out, or 0 where all are the defaults */
  policy: 36,
  /** JSON of what only people and workers read, or '' */
  spec: 37,
  /** the stated hash of the input, or '' */
  hash: 38,
  /** 0 none, 1 in the record, 2 under a key of its own */
  input: 39,
  /** bytes in the record */
  input_len: 40,
  /** as input */
  result: 41,
  /** bytes in the record */
  result_len: 42,
  /** the recorded failure, or 0 */
  failure: 43,
  /** [percent, message], or 0 */
  progress: 44,
  /** 1: it has steps */
  journal: 45,
  /** 1: it has downstreams */
  outs: 46,
  /** JSON, once they were changed, or '' */
  tags: 47,
  /** 1: it holds a slot of a capped lane */
  capped: 48,
  /** 1: its graph came in parts, and it has not been let into the indexes yet; 2: it has, but its upstreams were not looked at */
  staged: 49,
  /** what it has had to do with suspensions, parents and children, see `waits`; most have none, or false */
  waits: 50,
  /** quotas and budgets, see `demands`; most have none */
  demands: 51,
} as const

export const demandsFields = {
  /** hash of its admission key; '' when it names neither, and has only taken slots by hand */
  line: 0,
  /** [id, key, cost] of each, in the order in which they are taken */
  quotas: 1,
  /** [id, [dimension, estimate, …]] of each, in that order */
  budgets: 2,
  /** under which it holds what is to be given back; '' when it holds nothing */
  lease: 3,
  /** 1: units come back with it, since no attempt began */
  back: 4,
  /** what has no room for it: [q or b, id, key, since, name of the waiter]; or 0 */
  refused: 5,
  /** [id, key] of quotas of which its attempt took slots by hand; or 0 */
  uses: 6,
} as const

export const waitsFields = {
  /** 'l' linked or 'd' detached, and the id of who called it; or '' */
  parent: 0,
  /** 1: there are executions that are to be told of its end */
  watched: 1,
  /** 1: it knows of children */
  children: 2,
  /** how many it has */
  waitpoints: 3,
  /** sequence of the last one */
  signals: 4,
  /** of the suspension that stands, or that was the last; or '' */
  id: 5,
  /** s stands, r was resumed, or '' */
  state: 6,
  /** letter of the blocking reason */
  reason: 7,
  /** when it began, or was resumed, ms */
  since: 8,
  /** ms; 0: never */
  times_out: 9,
  /** letter of what its timeout does, or '' */
  behaviour: 10,
  /** after its condition held, ms */
  delay: 11,
  /** 1: its waitpoints close when it resumes */
  closes: 12,
  /** 1: its timeout has passed, and it waits for an operator */
  escalated: 13,
  /** raised by whatever changes what a judgement of its condition relied on */
  revision: 14,
  /** c condition, t timeout, o operator; or '' */
  by: 15,
} as const

export const attemptFields = {
  /** from 0 */
  index: 0,
  /** i initial, t retry, c reclaim, p replay */
  type: 1,
  /** s started, u suspended, c, f, x ended, i interrupted */
  state: 2,
  /** what ended it, or '' */
  by: 3,
  /** 1: its holder was late */
  late: 4,
  /** 1: it recorded something, or went on from a delay */
  effects: 5,
  generation: 6,
  epoch: 7,
  /** ms */
  started: 8,
  /** ms; 0: not yet */
  ended: 9,
  /** active ms under earlier leases */
  used: 10,
  /** start of the lease, ms */
  leased: 11,
  /** end of the lease, ms */
  expires: 12,
  /** of its active time under this lease, ms; 0: none */
  deadline: 13,
  /** id */
  lease: 14,
  /** id */
  instance: 15,
  /** id */
  worker: 16,
  /** id */
  claim: 17,
  /** attempt state before the claim, for a yield */
  before: 18,
  /** how its holder put it down: c, f, d, y, or '' */
  op: 19,
  /** [letter, time, late] that this was answered, or 0 */
  answer: 20,
  /** [category, message, details], or 0 */
  failure: 21,
} as const

export const policyFields = {
  /** ms */
  deadline: 0,
  /** ms */
  queue_ttl: 1,
  /** ms */
  attempt_timeout: 2,
  /** ms + 1 */
  retention: 3,
  /** + 1 */
  max_reclaims: 4,
  max_attempts: 5,
  /** 'f' fixed, 'e' exponential */
  backoff: 6,
  /** ms */
  initial: 7,
  multiplier: 8,
  /** ms */
  max: 9,
  /** 1 or 0 */
  jitter: 10,
  /** categories that are not tried again */
  final: 11,
} as const

export const flowFields = {
  /** d draft, o open, p replaying, l cancelling, c, f, x ended; s: parts of a graph that nobody is told of yet */
  state: 0,
  /** namespace */
  ns: 1,
  /** or '' */
  name: 2,
  /** ms */
  created: 3,
  /** of the graph */
  revision: 4,
  generation: 5,
  /** raised by every change, so that a projection knows it is old */
  change: 6,
  /** ms */
  changed_at: 7,
  /** ms; 0: none */
  first_start: 8,
  /** 1: something changed since the summary was written */
  unprojected: 9,
  /** 1: the projector visits it */
  live: 10,
  /** members by public state: letter → number */
  counts: 11,
  /** members that have not ended */
  open: 12,
  /** ends that are neither successes nor forgiven */
  bad: 13,
  /** completions of it in the outbox */
  entries: 14,
  /** marked losers */
  wanted: 15,
  /** how many */
  members: 16,
  /** ms; 0: none */
  deadline: 17,
  /** ms; 0: none */
  deadline_at: 18,
  /** ms; 0: none */
  draft_expires: 19,
  /** ms; 0: not yet */
  ended: 20,
  /** ms */
  kept: 21,
  /** of its cancel: a, p, f, or '' */
  policy: 22,
  /** 1: a cancel spares them */
  finalisers: 23,
  /** when the cancel was asked for, ms */
  requested: 24,
  /** how far a cancel in batches has come; -1: none is under way */
  walk: 25,
  /** hash of the content, ids replaced by positions */
  shape: 26,
  /** hash of the ids */
  ids: 27,
  /** JSON */
  tags: 28,
  /** '<generation>.<revision>' that an entry of the outbox is to settle, or '' */
  settling: 29,
  /** 1: its deadline has passed, and its members are being ended */
  expiring: 30,
  /** place of the member from which on they still are to be let go; 0: all were */
  release: 31,
  /** the outbox's entry that finishes that, or '' */
  release_entry: 32,
  /** members whose names are in the hash of names, from the first on */
  named: 33,
  /** hash of the growth that is coming in parts, or '' */
  staging: 34,
  /** nodes of it that are there */
  staged: 35,
  /** when its parts are removed unless it was committed, ms */
  stage_expires: 36,
  /** cause that its cancel records, or '' */
  cause: 37,
  /** entries of the outbox that wait until it is open */
  parked: 38,
  /** [parent, see `waits`; 1: there are executions that are to be told of its end]; most have none */
  family: 39,
} as const

export const groupFields = {
  /** id */
  flow: 0,
  /** 'a' all_of, 'n' any_of, 'q' quorum; anything else is of another version */
  kind: 1,
  /** of a quorum */
  k: 2,
  /** 'c' cancel the rest, 'l' let it run */
  on_decided: 3,
  /** 's' satisfied, 'i' impossible, 'a' always */
  run_on: 4,
  /** 1: its node goes only after the last upstream */
  settled: 5,
  /** 1: cancels siblings that others need */
  shared: 6,
  /** 'c' cancel, 'l' let run */
  ancestors: 7,
  /** p, s satisfied, i impossible */
  state: 8,
  /** 1: the fate of its node was carried out */
  released: 9,
  /** s or i: why siblings are cancelled; or '' */
  reason: 10,
  /** 1: they still are to be cancelled */
  pending: 11,
  /** upstreams */
  n: 12,
  /** succeeded */
  ok: 13,
  failed: 14,
  skipped: 15,
  /** a letter per upstream: p, or how it was counted: s succeeded, f failed, k skipped */
  cells: 16,
  /** 1 or 0 per upstream while siblings are cancelled, or '' */
  exempt: 17,
  /** 1: upstreams hand results down by name */
  named: 18,
  /** per upstream what its node saw: state letter and 1 or 0; or '' */
  seen: 19,
} as const

export const laneFields = {
  /** raised by each change */
  version: 0,
  /** active, paused, draining or disabled */
  state: 1,
  shards: 2,
  /** 0: no bound */
  concurrency: 3,
  /** ms; 0: none */
  ageing: 4,
  weight: 5,
  /** ms */
  retention: 6,
  /** all, terminal or none */
  events: 7,
  /** 1: it had an ageing once, so that scores say less about ready times */
  aged: 8,
  /** of its cap: raised by each change that lends all slots anew */
  epoch: 9,
  /** name of the change that was written last */
  request: 10,
  /** slots that the partition may use */
  credit: 11,
  /** of the last message about its credit */
  seq: 12,
  /** its active executions here, as long as it is capped */
  active: 13,
} as const

export const quotaFields = {
  /** raised by each change */
  version: 0,
  /** namespace */
  ns: 1,
  /** ms */
  created: 2,
  /** what it was created as */
  content: 3,
  label: 4,
  /** of its rate; 0: no rate */
  units: 5,
  /** ms */
  window: 6,
  /** 0: no bound */
  concurrency: 7,
  /** queue, drop_new or cancel_oldest */
  strategy: 8,
  /** the last changes of its window, `<version>=<last step that counts no more since>` each */
  past: 9,
} as const

export const budgetFields = {
  /** namespace */
  ns: 0,
  /** ms */
  created: 1,
  /** what it was created as */
  content: 2,
  label: 3,
  /** [dimension, soft, hard] each, by name; -1: none */
  limits: 4,
  /** of a hard breach */
  rule: 5,
  /** reset period, ms; 0: none */
  every: 6,
  /** from 1 */
  period: 7,
  /** of the period, ms */
  started: 8,
  /** reset, ms; 0: none */
  next: 9,
  /** in the period */
  used: 10,
  /** by what runs */
  reserved: 11,
  /** what is used by charges that are kept no more */
  base: 12,
  /** changes that the feed was told of */
  said: 13,
} as const

export const streamFields = {
  /** number of its next frame */
  next: 0,
  /** of the lease under which the last one came */
  epoch: 1,
  /** number that that lease's first frame got */
  base: 2,
  /** frames */
  durable: 3,
  durable_bytes: 4,
  /** frames of the other modes, as many as are kept */
  capped: 5,
  capped_bytes: 6,
  /** that its document is made of */
  patches: 7,
  /** ms; 0: never */
  patched: 8,
  /** ms of the last append; with `next` what tells one head from another */
  written: 9,
} as const
