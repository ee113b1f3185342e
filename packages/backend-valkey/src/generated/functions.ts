/** Made by `scripts/build-library.mjs` of the headers of the files in `lua`. */

export interface LibraryFunctions {
  /** A namespace's settings, [label, accepting]; an empty answer when they were never put. */
  access_get_namespace: { args: [namespace: string]; reply: unknown[] }
  /** A token as it is stored, with its hash; an empty answer when there is none. */
  access_get_token: { args: [token: string]; reply: unknown[] }
  /** Up to `max` namespaces that were put, behind that one by name, and whether there are more. */
  access_list_namespaces: { args: [after: string, max: number]; reply: [namespaces: [namespace: string, record: unknown[]][], more: boolean] }
  /** Up to `max` tokens behind that one by id, and whether there are more. */
  access_list_tokens: { args: [after: string, max: number]; reply: [tokens: [token: string, record: unknown[]][], more: boolean] }
  /** Records a namespace's settings. Answers 'created', 'changed', 'unchanged', or 'full'. */
  access_put_namespace: { args: [namespace: string, label: string, accepting: boolean]; reply: string }
  /** Creates a token, or changes what it may do: `text`. `expiresMs` -1 is never. A token keeps its hash; a revoked one stays as it is. */
  access_put_token: { args: [token: string, hash: string, text: string, expiresMs: number]; reply: string }
  /** Revokes a token for ever. Answers 'revoked', 'already_revoked', or 'none'. */
  access_revoke: { args: [token: string]; reply: string }
  /** Cancels the holder of a quota's slot that is to make room, if it still runs under that lease. */
  admission_cancel: { args: [namespace: string, execution: string, lease: string]; reply: string }
  /** Entries of an index of the partition that were carried out: holders that were asked to go, or what followed from budgets. */
  admission_done: { args: [index: string, members: string[]]; reply: string }
  /** What is to be looked at in the partition: tentative holders whose time is over, holders that are to be cancelled and were not yet, quotas whose copies may be old, and what follows elsewhere from changes of budgets; and when somebody is to be woken next (0: nobody). */
  admission_due: { args: [max: number]; reply: [tentative: [name: string, holder: string][], toCancel: [name: string, holder: string, namespace: string][], toSync: string[], announcements: string[], wakeMs: number] }
  /** Gives back what leases held of quotas and budgets of the partition, with its units where no attempt began; and takes out waiters that wait no more. Each is applied once. `leases` are {UUID, number of its lease, …} of one origin, see `bundles`. Answers whether somebody may be woken. */
  admission_give_back: { args: [names: [name: string, held: [origin: string, withUnits: boolean, leases: unknown[]][], waiters: [waiter: string, token: string][]][]]; reply: boolean }
  /** These entries of the outbox were carried out: what they say was given back. */
  admission_given_back: { args: [entries: string[]]; reply: string }
  /** Of each whether the execution runs under that lease. Where it does not, it cannot begin to: an offer that would lease it so is withdrawn. */
  admission_look: { args: [items: [execution: string, lease: string][]]; reply: boolean[] }
  /** The refused head of an execution's line, which may be itself: ['' or its id, letter, quota or budget, key, since]. */
  admission_parked: { args: [line: string]; reply: [head: string, letter: string, id: string, key: string, sinceMs: number] }
  /** Counts resources of the partition again, those that were not for longest, and sets right what is not what its entries add up to. Answers which were, and the holders of all of them that are not tentative. */
  admission_review: { args: [max: number, againMs: number]; reply: [drift: [name: string, finding: string][], holders: [name: string, holder: string][], more: boolean] }
  /** What was found out about holders: those that run hold what they took, what others took is given back. Answers which were given back. */
  admission_settle: { args: [items: [name: string, holder: string, runs: boolean][]]; reply: boolean[] }
  /** The namespaces of attempts that spent something, whatever became of them; '' where there is none such. */
  admission_spender: { args: [items: [execution: string, attempt: number, lease: string, epoch: number][]]; reply: string[] }
  /** Tells the feed what became of budgets: [number, budget, change, period, namespace] each, of a budget in their order. What was told is not told again. */
  admission_tell: { args: [items: [number: number, budget: string, change: string, period: number, namespace: string][]]; reply: string }
  /** Notes that attempts take slots of quotas by hand, before they do; or only looks whether they may. An item that passes is answered `held`, with its namespace. */
  admission_use: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, quota: string, key: string, takes: boolean][]]; reply: unknown[][] }
  /** Of each whether it waits for that under its token. */
  admission_waiting: { args: [waiters: [name: string, waiter: string, token: string][]]; reply: boolean[] }
  /** There may be room for the heads of these lines: their executions are claimable again. */
  admission_wake: { args: [lines: string[]]; reply: string }
  /** Who of those that wait for something of the partition can be admitted together now, those that wait longest first. They wait until they are said to be woken. */
  admission_wakeable: { args: [max: number]; reply: [names: [name: string, waiters: [waiter: string, token: string][]][], more: boolean] }
  /** These do not wait any more. */
  admission_woken: { args: [names: [name: string, waiters: [waiter: string, token: string][]][]]; reply: string }
  /** Attempts of an execution from an index on, at most so many; fewer when they are long. The bytes are one packed attempt each. */
  attempts_list: { args: [namespace: string, id: string, from: number, limit: number]; reply: [total: number] }
  /** Entries of a journal from a position on, at most so many; fewer when they are long. The bytes are one stored entry each. */
  attempts_load_steps: { args: [namespace: string, id: string, from: number, limit: number]; reply: [total: number] }
  /** What the upstreams handed down, by name, from a position on, at most so many; fewer when they are long. */
  attempts_load_upstream: { args: [namespace: string, id: string, from: number, limit: number]; reply: [total: number, rows: [name: string, upstream: string, publicState: string, satisfied: boolean, result: number][]] }
  /** Records how far attempts have come; the last one wins. A message is a text, or false for none. */
  attempts_record_progress: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, percent: number, message: unknown][]]; reply: unknown[][] }
  /** Appends to journals. A name that is there already is answered with its entry, or with its type where that is another one. */
  attempts_record_step: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, name: string, type: string, result: number][]]; reply: unknown[][] }
  /** Records an action, or what came of one that was recorded without that. '' is what is not stated. Answers 'appended', 'completed' or 'duplicate'. */
  audit_append: { args: [action: string, namespace: string, actor: string, operation: string, subjects: string[], hasReason: boolean, reason: string, outcome: string]; reply: string }
  /** Of the next `look` entries before a place, the newest first, up to `max` that are of this namespace, actor and subject; '' is any. `atMs` -1 begins with the newest. Answers where the look ended, and whether there may be more behind that. */
  audit_list: { args: [atMs: number, action: string, namespace: string, actor: string, subject: string, max: number, look: number]; reply: [entries: [action: string, record: unknown[]][], atMs: number, action: string, more: boolean] }
  /** Makes a budget. Answers whether the id is taken, and what stands under it; `nextMs` is -1 where it follows from the period. */
  budgets_create: { args: [id: string, record: [ns: string, created: number, content: string, label: string, limits: [dimension: string, soft: number, hard: number][], rule: string, everyMs: number], nextMs: number]; reply: [isNew: boolean, budget: unknown[]] }
  /** Budgets of a namespace in the partition, newest first, from behind a place on. */
  budgets_list: { args: [namespace: string, createdMs: number, id: string, max: number]; reply: unknown[][] }
  /** Budgets as they stand, or nothing, of each. */
  budgets_read: { args: [ids: string[]]; reply: unknown[][] }
  /** Charges what was spent, each once within a day. Answers of each [word, breach, used]: ok, duplicate, not_found, unknown_dimension or too_much with the dimension, and what it would come to; and what follows elsewhere. */
  budgets_report: { args: [items: [budget: string, namespace: string, execution: string, lease: string, key: string, amounts: unknown[]][], sumMax: number]; reply: [answers: unknown[][], announcements: string[]] }
  /** Reserves the estimates of executions of one line, in their order, up to the first that there is no room for. Its line is registered as a waiter in this step. `flags` as in `quotas/reserve`. */
  budgets_reserve: { args: [id: string, waiter: string, token: string, origin: string, ids: string, items: [number: number, begins: boolean, estimate: unknown[]][]]; reply: [namespace: string, flags: string] }
  /** Begins the periods that are due: one for each budget, however many were missed. Answers [id, next reset] of each, whether there are more, when the next is due (0: none), and what follows elsewhere. */
  budgets_reset_due: { args: [max: number]; reply: [reset: [id: string, nextMs: number][], more: boolean, nextDueMs: number, announcements: string[]] }
  /** Begins a new period, once for each key within a day. Answers whether it did, the budget or nothing, and what follows elsewhere. */
  budgets_reset: { args: [id: string, namespace: string, key: string, rememberMs: number]; reply: [isNew: boolean, budget: unknown[], announcement: string] }
  /** Changes a budget, as far as its settings are stated. Answers it, or nothing, and what follows elsewhere, or ''. */
  budgets_update: { args: [id: string, namespace: string, stated: string[], label: string, limits: [dimension: string, soft: number, hard: number][], rule: string, everyMs: number]; reply: [budget: unknown[], announcement: string] }
  /** An engine lives, or goes. Answers who was seen within so many ms; who was not seen for a day is forgotten. */
  engines_beat: { args: [engine: string, label: string, goes: boolean, aliveMs: number]; reply: [nowMs: number, engines: [engine: string, label: string, startedMs: number, seenMs: number][]] }
  /** All engines that are known. */
  engines_list: { args: []; reply: [engine: string, label: string, startedMs: number, seenMs: number][] }
  /** The partition's events from a number on, entry by entry, up to so many or so many bytes; with `next` 0 only what there is. `isKept` false: events of those numbers are gone, or never were, or the one before them is not of that time (0: unknown). */
  events_read: { args: [next: number, seenAtMs: number, countMax: number, bytesMax: number]; reply: [isKept: boolean, first: number, last: number, lastAtMs: number, entries: [first: number, atMs: number, events: number][], isAll: boolean] }
  /** Ends an execution as cancelled; one that runs is asked first when there is a grace. */
  executions_cancel: { args: [namespace: string, id: string, graceMs: number]; reply: unknown[] }
  /** Changes the priority of what is not terminal. */
  executions_change_priority: { args: [namespace: string, id: string, priority: number]; reply: unknown[] }
  /** Counts a namespace's executions in the partition that match, from behind a position on, of a few hundred that are looked at: apart by `by`, which is 'lane', 'kind', 'state' (told by its letter) or '' for all together. */
  executions_count: { args: [namespace: string, classes: string[], beforeMs: number, beforeId: string, sinceMs: number, by: string, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]]; reply: [groups: [name: string, count: number][], reachedMs: number, reachedId: string, isEnd: boolean] }
  /** How many executions of a namespace there are in the partition, by lane, kind and states alone: the sums of a few counts. Apart by `by`: 'lane', 'kind', 'state' (told by its letter) or '' for all together. */
  executions_depth: { args: [namespace: string, lane: string, kind: string, states: string, by: string]; reply: [name: string, count: number][] }
  /** What `explain` needs of the partition: the execution, its lane's copy, how many claimable ones of its route are ahead of it here, its flow, and its group with the upstreams that it waits for. The record comes along, the group's, and the condition that it is suspended by. */
  executions_explain: { args: [namespace: string, id: string]; reply: [lane: [state: string, concurrency: number], ahead: number, flow: [id: string, state: string, finalisers: number], group: number, upstreams: [id: string, name: string, state: string][], condition: number] }
  /** An execution's input, wherever it is, with its record: for what must be known of it before it is replaced. */
  executions_get_input: { args: [namespace: string, id: string]; reply: boolean }
  /** The recorded ends of executions: of each its record, and its result where that is long. Results are long: it answers as many as fit into a reply, at least one; the caller asks again for the rest. `unreadable` is one whose record does not decode. */
  executions_get_results: { args: [ids: string[]]; reply: [record: number, result: number, isUnreadable: boolean][] }
  /** An execution as it is now: its record. */
  executions_get: { args: [id: string]; reply: boolean }
  /** Puts an operator's block on an execution that does not run. */
  executions_hold: { args: [namespace: string, id: string]; reply: unknown[] }
  /** All that is stored of an execution, as it is, readable or not, for people: its record, group, edges, earlier attempts and journal by name, and in which indexes it is. Says which of them there are, in this order; a key of a foreign type is told with its type. */
  executions_inspect: { args: [id: string]; reply: [parts: [name: string, place: number][], indexes: [name: string, score: string][], keys: string[]] }
  /** Members of a flow that match, of a few hundred from a place on: those behind a position, newest first, at most `want`, and how many match, apart by `by` as in `count`. `next` is 0 after the last member. */
  executions_list_members: { args: [namespace: string, flow: string, from: number, beforeMs: number, beforeId: string, sinceMs: number, want: number, by: string, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]]; reply: [ids: string[], groups: [name: string, count: number][], next: number] }
  /** A namespace's executions in the partition, newest first, from behind a position on: up to `want` that match, of a few hundred that are looked at. Says how far it came. Their records come along in the order of the ids. */
  executions_list: { args: [namespace: string, classes: string[], beforeMs: number, beforeId: string, sinceMs: number, want: number, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]]; reply: [ids: string[], reachedMs: number, reachedId: string, isEnd: boolean] }
  /** Lifts an operator's block. Other blocks stay. */
  executions_release: { args: [namespace: string, id: string]; reply: unknown[] }
  /** Runs an ended solo execution again as its next generation, with another input where one is given. `hash` is that of the input it was submitted with. A member is its flow's to replay: answered with the flow's id. */
  executions_replay: { args: [namespace: string, id: string, hasInput: boolean, input: number, hash: string, replaysMax: number]; reply: unknown[] }
  /** Sets and removes tags in one step, in any state. `tags` of the answer is the place of what was there before: the caller works the new ones out and comes again with what it saw, until nobody was faster. */
  executions_set_tags: { args: [namespace: string, id: string, seen: string, tags: string]; reply: [isDone: boolean, tags: string, spec: string] }
  /** Ends the next members of a flow that is being ended in several steps. Answers how many, how many are open, and whether that is done. */
  flows_cancel_next: { args: [flow: string, max: number]; reply: [ended: number, open: number, isDone: boolean] }
  /** Cancels a flow by policy, and the first of its members that the cancel does not spare. `frozen` is the place of the result that a cancel of the flow alone leaves, judged by its graph as of `change`; `isJudged`: its ends were carried on, as far as they can be. Answers what became of it, or what is to be done before the caller comes again. */
  flows_cancel: { args: [namespace: string, flow: string, policy: string, finalisers: boolean, isJudged: boolean, change: number, frozen: number, max: number]; reply: unknown[] }
  /** Makes a flow of the parts that were staged for it: from here on it is there, all at once. `flows_release` lets its members in. */
  flows_commit: { args: [id: string, hash: string, total: number, lanes: string[]]; reply: unknown[] }
  /** Begins a graph that is filled piece by piece and then sealed. */
  flows_create_draft: { args: [head: [id: string, ns: string, name: string, tags: string, deadlineMs: number, shape: string, ids: string, parent: string], ttlMs: number]; reply: unknown[] }
  /** The outbox's entries of a flow, in their order, and its state and open members. `isKnown`: the outbox is not too large to be looked through. */
  flows_entries: { args: [flow: string]; reply: [entries: string[], isKnown: boolean, state: string, open: number] }
  /** What an extend needs to know of the flow: its state, whether its worker still holds its lease, which of the new nodes are there already and with what content, which of the other nodes are members, and what their upstreams are where they get more. */
  flows_extend_read: { args: [namespace: string, id: string, handle: [execution: string, attempt: number, lease: string, epoch: number][], nodes: string[],   ends: string[], targets: string[]]; reply: [refusal: unknown[], state: string, revision: number, nodes: unknown[], ends: boolean[], targets: unknown[]] }
  /** Adds nodes and edges to a draft or an open flow, as its caller saw it: at that revision, all or nothing. `targets` are nodes that are there and are given more upstreams, `upstreams` such whose edges lead to more nodes; both name nodes by their place in `ids`, which begin with those of the new nodes. Nodes that came in parts are named by the hash of these. */
  flows_extend: { args: [namespace: string, id: string, revision: number, handle: [execution: string, attempt: number, lease: string, epoch:   number][], hash: string, total: number, lanes: string[], routes: [rid: string, text: string, lane: string][], ids:   string[], nodes: [route: number, priority: number, startMs: number, delayMs: number, policy: unknown, spec: string, hash:   string, input: number, name: string, join: unknown, ins: [from: number, as: string][], outs: [to: number, place: number][]][],   targets: [node: number, known: number, edges: [from: number, as: string][]][], upstreams: [node: number, edges: [to: number, place:   number][]][]]; reply: unknown[] }
  /** What a judgement of the whole graph looks at of its members, from a place on; with what says whether the flow is still as it was when the first of them were read. For the form of a member see `shared/facts.lua`. */
  flows_facts: { args: [id: string, from: number, max: number]; reply: [state: string, revision: number, generation: number, change: number, total: number, members: unknown[][]] }
  /** Whether a worker still holds its lease, where that is not of the flow that it extends. Answers why not, or nothing. */
  flows_fence: { args: [namespace: string, handle: [execution: string, attempt: number, lease: string, epoch: number]]; reply: unknown[] }
  /** A flow's record, its newest summary and the result that a cancel of the flow alone left, each by its place or 0. */
  flows_get: { args: [namespace: string, id: string]; reply: [core: number, summary: number, frozen: number] }
  /** Members from a place on, in order of creation: of each its record, its group and who its upstreams are, by place or 0. A member whose record is gone is no longer one. */
  flows_graph: { args: [namespace: string, id: string, from: number, max: number]; reply: [total: number, members: [id: string, record: number, group: number, ins: number][]] }
  /** Until when a flow's members are kept, of up to 400 of them from a place on; `next` is 0 after the last. */
  flows_kept: { args: [flow: string, from: number]; reply: [keptMs: number, next: number, generation: number, change: number] }
  /** A namespace's flows in the partition, newest first, from behind a position on: up to `want` that match, of a few hundred that are looked at. Says how far it came. Of each its record comes along, and its newest summary or nothing. */
  flows_list: { args: [namespace: string, classes: string[], beforeMs: number, beforeId: string, sinceMs: number, want: number, states: string[],   tags: [key: string, value: string][], name: string, endedFromMs: number, endedBeforeMs: number]; reply: [ids: string[], reachedMs: number, reachedId: string, isEnd: boolean] }
  /** Which of these names members have already. Names are gathered before it can be said, some members a call: an answer that is not final is asked for again. */
  flows_names: { args: [namespace: string, id: string, names: string[], max: number]; reply: [isFinal: boolean, taken: string[]] }
  /** Where the edges of these nodes lead: of each its downstreams in one text. */
  flows_reach: { args: [ids: string[]]; reply: string[] }
  /** Goes on letting members go, after a seal or the commit of a staged graph. Answers whether that is done. */
  flows_release: { args: [id: string, max: number]; reply: boolean }
  /** Replays members of a flow, in order of creation, if they and it still are as the plan saw them: `again` asks for another plan. Few go in this step; with `isStaged` it is only begun, and the answer names it for those who bring the new inputs. `isStrict`: nothing at all may have changed since. `how`: k keeps the input, n none, b the bytes at the place; then `hash` is the old input's. */
  flows_replay_begin: { args: [namespace: string, flow: string, revision: number, generation: number, change: number, isStrict: boolean, rows: [id: string, outcome: string, how: string, place: number, hash: string][], isStaged: boolean, hasInputs: boolean]; reply: unknown[] }
  /** Brings new inputs for a replay that was begun under that name. With the last of them it goes on. Answers whether it still stands. */
  flows_replay_inputs: { args: [flow: string, name: string, items: [id: string, how: string, place: number, hash: string][], isLast: boolean]; reply: boolean }
  /** One more step of a replay of many members: `going`, `done`, or `again` when it was taken back since its members are not as they were. Answers too how many members this step reset, and the flow's generation. `entry` goes where there is nothing to do for it, or ''. */
  flows_replay_next: { args: [flow: string, max: number, entry: string]; reply: [outcome: string, members: number, generation: number] }
  /** Opens a draft, and lets its first roots go. The answer says whether that were all: else `flows_release` goes on. */
  flows_seal: { args: [namespace: string, id: string, max: number]; reply: unknown[] }
  /** Stores a part of a graph that is too large for one call: of a new flow (`f`) or of what a flow is to be extended by (`e`). `from` says how many nodes came before it; the answer says how many are there, so that a repeat goes on where it was. The first ids are those of the part's nodes, others are of nodes that their edges name. */
  flows_stage: { args: [kind: string, head: [id: string, ns: string, name: string, tags: string, deadlineMs: number, shape: string, ids:   string, parent: string], notAfterMs: number, hash: string, from: number, routes: [rid: string, text: string, lane: string][], ids:   string[], nodes: [route: number, priority: number, startMs: number, delayMs: number, policy: unknown, spec: string, hash:   string, input: number, name: string, join: unknown, ins: [from: number, as: string][], outs: [to: number, place: number][]][]]; reply: unknown[] }
  /** Accepts whole graphs that are small enough for one call, each all or nothing. A graph's ids are those of its nodes, in order; for the form of a node see `shared/graph.lua`. */
  flows_submit: { args: [routes: [rid: string, text: string, lane: string][], flows: [head: [id: string, ns: string, name: string, tags:   string, deadlineMs: number, shape: string, ids: string, parent: string], notAfterMs: number, ids: string[], nodes: [route: number, priority:   number, startMs: number, delayMs: number, policy: unknown, spec: string, hash: string, input: number, name: string, join:   unknown, ins: [from: number, as: string][], outs: [to: number, place: number][]][]][]]; reply: unknown[][] }
  /** Removes an ended flow that is past its retention, 100 members a call: `gone`, or `more` while members are left. `atMs` is the time of its entry on the wheel. `kept` is the end of its members' retention, where the caller has looked it up, and `change` the flow's as of then; 0 both where the flow itself knows. `stays`: it is not to go, or not yet. */
  flows_trim: { args: [flow: string, atMs: number, kept: number, change: number]; reply: string }
  /** Removes parts that will not be committed, a bounded number a call: those of this growth, or any whose time is over. Answers how many are left, or -1 where they are not to be removed. */
  flows_unstage: { args: [id: string, hash: string]; reply: number }
  /** Takes back what `reserve` counted, of submissions that were refused. */
  idempotency_forget: { args: [items: [name: string, target: string, reservedMs: number][]]; reply: boolean }
  /** Lets a key stand for another target, unless somebody else was faster. */
  idempotency_replace: { args: [name: string, seenTarget: string, seenReservedMs: number, target: string, ttlMs: number]; reply: boolean }
  /** Records idempotency keys before their submissions, and says what each stands for. A repeat counts once more, which is harmless: at worst a key outlives a refusal. */
  idempotency_reserve: { args: [items: [name: string, target: string, kind: string, content: string, ttlMs: number][]]; reply: [word: string, target: string, reservedMs: number][] }
  /** Records a signing key; one that is there stays as it is. `signsFromMs` -1 is now. Answers what is recorded, or 'full'. */
  keyring_add: { args: [key: string, fingerprint: string, signsFromMs: number]; reply: [word: string, record: unknown[]] }
  /** All signing keys, in no order: their ids and [fingerprint, signs from, retired, verifies until], with -1 for what is not set. */
  keyring_list: { args: []; reply: [key: string, record: unknown[]][] }
  /** Retires a signing key for ever: the time until which it verifies can only come nearer. An empty answer: there is none. */
  keyring_retire: { args: [key: string, verifyUntilMs: number]; reply: unknown[] }
  /** Changes of lanes that were begun and, as far as is known, not finished, oldest first, with the time of their beginning. */
  lanes_changes: { args: [max: number]; reply: [note: string, atMs: number][] }
  /** Brings the partition's copy of a lane up to its home record, unless it is there already or beyond. Answers what the copy is at then, by which change, and how many executions of a capped lane run here. */
  lanes_copy: { args: [namespace: string, lane: string, record: unknown]; reply: [version: number, change: string, epoch: number, active: number] }
  /** How many executions of a namespace's lanes are here, by public state, and since when the oldest claimable one is ready; of one lane where it is named. */
  lanes_depth: { args: [namespace: string, lane: string]; reply: [counts: [lane: string, letter: string, count: number][], oldest: [lane: string, readyMs: number][]] }
  /** Gives back slots of a capped lane that the partition does not use. Answers the number of the last message that it follows, 0 where the cap is another by now, and how many the home must reckon with as of then. */
  lanes_lower_credit: { args: [namespace: string, lane: string, epoch: number, seq: number]; reply: [seq: number, active: number] }
  /** Notes that a lane is being changed, or that its copies are all there: so that somebody finishes it if its caller dies. */
  lanes_note_change: { args: [note: string, isBegun: boolean]; reply: boolean }
  /** Begins to lend the slots of a cap, once every copy has its epoch and has told what runs there. */
  lanes_open_credit: { args: [namespace: string, lane: string, epoch: number, actives: [partition: number, active: number][]]; reply: boolean }
  /** The home records of a namespace's lanes that are kept here; of one lane where it is named. */
  lanes_read: { args: [namespace: string, lane: string]; reply: [lane: string, record: unknown[]][] }
  /** Lends slots of a capped lane to partitions that have work for them, after what others gave back. Where none is free, and it may, it asks all that it reckons with for what they do not use. */
  lanes_take_credit: { args: [namespace: string, lane: string, lowered: [partition: number, seq: number, active: number][], wants: [partition: number, want: number][], mayLower: boolean]; reply: [epoch: number, grants: [partition: number, credit: number, seq: number][], lowers: [partition: number, seq: number][]] }
  /** Changes a lane's home record, or makes it. What is '' or -1 stays. Its version will be above that one. The epoch of a cap is raised unless the cap only grows: until every copy has told what runs there, nothing more is lent. */
  lanes_write: { args: [namespace: string, lane: string, request: string, state: string, shards: number, concurrency: number, ageing: number, weight: number, retention: number, events: string, above: number]; reply: [previous: string, record: unknown[]] }
  /** What became of a line's heads that were offered to a claim: those for which all was taken are leased, those that are to be dropped end, and the first that was refused parks the line, unless room was made meanwhile. Answers of each of the first whether it is leased, what was handed out, and whether the line is parked. `asked` are holders that are to make room, as [execution, lease, quota, key]. */
  leases_admit: { args: [line: string, offer: string, claim: [instance: string, worker: string, claim: string, ttlMs: number], admitted: [execution: string, lease: string][], dropped: string[], refused: [execution: string, kind: string, id: string, key: string, waiter: string][], asked: [namespace: string, execution: string, lease: string, quota: string, key: string][]]; reply: [leased: boolean[], handed: unknown[][], parked: boolean] }
  /** Gives leases back and keeps their attempts until a time. */
  leases_delay: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, untilMs: number][]]; reply: unknown[][] }
  /** Takes back what an instance holds, as if its leases had run out now: at most so many, from a place among them on. What does not decode is left. */
  leases_hand_back: { args: [instance: string, from: number, max: number]; reply: [handedBack: number, left: number, more: boolean] }
  /** What an instance still holds of a claim that was sent before: the same as the claim answered; and of which claims it holds anything here, the last ones. With `adopts` this process alone serves the instance here from now on; with `tells` every other process hears of it. */
  leases_held: { args: [instance: string, claim: string, adopts: boolean, tells: boolean]; reply: [leases: unknown[][], claims: string[]] }
  /** Extends leases; never shortens one. */
  leases_renew: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, ttlMs: number][]]; reply: unknown[][] }
  /** An operator takes a lease away, as if it had expired now. */
  leases_revoke: { args: [namespace: string, id: string]; reply: unknown[] }
  /** Hands back work that was not started: as if its claim had not been, but for the epoch. */
  leases_yield: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number][]]; reply: unknown[][] }
  /** Moves the clock of a partition that was made for tests. */
  maintenance_advance: { args: [byMs: number]; reply: [isVirtual: boolean, nowMs: number] }
  /** The partition's clock. */
  maintenance_clock: { args: []; reply: number }
  /** Fixes at the first boot what is fixed for the deployment: the counts of partitions, and where its clock stood still at first (0: it runs). A clock that runs may be stopped later, which the partitions were asked for by then. Each boot repeats it, so nothing is waited for. */
  maintenance_deployment_init: { args: [flow: number, budget: number, quota: number, stoppedMs: number, isStopped: boolean]; reply: [flow: string, budget: string, quota: string, stoppedMs: string] }
  /** What is fixed for the deployment. */
  maintenance_deployment: { args: []; reply: [flow: string, budget: string, quota: string, stoppedMs: string] }
  /** How much the partition holds. */
  maintenance_describe: { args: []; reply: [executions: number, flows: number, outbox: number, events: number] }
  /** One step of applying what is due: the timer of one flow, or those of executions, one of each, earliest first. Leases are looked up by the instance that holds them. `skip` names executions that had theirs already. A careful step works on one entry, and puts it off when something that it leads to does not decode. */
  maintenance_drain_timers: { args: [max: number, skip: string[], isCareful: boolean]; reply: [items: [outcome: string, kind: string, id: string, dueMs: number, isDueAgain: boolean][], more: boolean, nextDueMs: number] }
  /** Stops the clock of a partition that holds nothing, for tests; with a time of 0 it only answers whether that could be done. */
  maintenance_freeze: { args: [timeMs: number]; reply: boolean }
  /** Whether anything of the partition is past its retention. */
  maintenance_has_due: { args: []; reply: boolean }
  /** Names of the versions of the library by which engines and workers that are known have spoken last. */
  maintenance_libraries: { args: []; reply: string[] }
  /** Changes something in the partition, so that there is a write to wait for: what was answered before it lies before it in the node's history. */
  maintenance_mark: { args: []; reply: boolean }
  /** Makes a partition ready for use, once. With a time its clock stands still from the beginning, which is for tests alone. */
  maintenance_partition_init: { args: [layout: number, timeMs: number]; reply: string }
  /** When the next reset of the partition is due (0: none), and whether there is room for somebody who waits, or something to look at. */
  maintenance_pulse_budgets: { args: []; reply: [resetsDueMs: number, isParked: boolean] }
  /** What is pending of what belongs to no partition: whether changes of lanes are unfinished, and whether anything is past its retention. What cannot be read keeps nothing else back: whoever needs it is told. */
  maintenance_pulse_home: { args: [tokenKeptMs: number, auditAgeMs: number]; reply: [laneCopies: boolean, retention: boolean] }
  /** When the next work of a partition of the quota family is due (0: none): of its schedules, of its bulk operations, of its webhooks, and of those who wait for a window; and whether there is room for somebody who waits, or something to look at. */
  maintenance_pulse_quotas: { args: []; reply: [schedulesDueMs: number, operationsDueMs: number, webhooksDueMs: number, wakeMs: number, isParked: boolean] }
  /** Which kinds of work are pending in the partition, when the next timer is due, and which routes have work whose best has waited longer than that. Such a route is announced again, in case the first message was lost. */
  maintenance_pulse: { args: [waitingMs: number, feedAgeMs: number]; reply: [pending: string[], nextDueMs: number, waiting: [rid: string, readyMs: number][]] }
  /** What a process needs to know before it claims here for the first time: which routes have work, and all routes. */
  maintenance_ready: { args: [withRoutes: boolean]; reply: [ready: string[], routes: string[], routesVersion: number] }
  /** Looks at some entries of the partition's indexes, from a place in one of them on, and at the records that they are about. What is found is set right, or named. `vectors` are the states of the executions it looked at. `index` is '' after the last, and `cursor` '' after the last entry of one. `parked` are refused heads of lines that have waited for long, by what refused them. */
  maintenance_reconcile_indexes: { args: [index: string, cursor: string, max: number]; reply: [findings: [word: string, kind: string, id: string, finding: string][], vectors: [id: string, letters: string][], index: string, cursor: string, looked: number, parked: [line: string, letter: string, id: string, key: string, token: string][]] }
  /** Removes up to `max` tokens that ended so long ago, and as many entries of the audit log that are so old. -1: that could not be read. */
  maintenance_trim_home: { args: [max: number, tokenKeptMs: number, auditAgeMs: number]; reply: [tokens: number, entries: number] }
  /** Removes idempotency keys that have expired, where the clock stands still; elsewhere Valkey does it by itself. */
  maintenance_trim_keys: { args: [max: number]; reply: number }
  /** Removes solo executions that are past their retention, up to `max`, and names the flows that are, which go one by one: see `flows/trim`. Of the feed it keeps the last `keep` events, as far as they are not older than `ageMs`; `isOld`: more of them are. `unreadable` are records that do not decode: they are looked at again later. `more`: something was done, and more is due. */
  maintenance_trim: { args: [max: number, keep: number, ageMs: number]; reply: [executions: number, flows: [id: string, atMs: number][], unreadable: string[], more: boolean, events: number, isOld: boolean] }
  /** Does a bulk operation's deed to each item that still is of its generation. Answers of each what came of it: `done`, also by an earlier call, `unchanged`, or why not. */
  operations_carry_out: { args: [namespace: string, deed: string, items: [id: string, generation: number][], replaysMax: number]; reply: string[] }
  /** A partition's time, which its reply's news tell: what is there by then was created by then. */
  operations_clock: { args: []; reply: boolean }
  /** Takes a slot and units by hand. Answers the word for it, `unknown` where the settings have no copy here, and when there is room. */
  quotas_acquire: { args: [items: [id: string, key: string, namespace: string, holder: string, hand: string, cost: number][]]; reply: [word: string, retryMs: number][] }
  /** Asks the one that has its slot of a key for longest to make room for a line that waits there, if there is none yet. Answers the holder that is to be cancelled, or ''. */
  quotas_ask: { args: [id: string, key: string, waiter: string, token: string]; reply: string }
  /** Brings a quota's settings to a partition where they count keys, unless a later version is there. Those who wait for its keys there are looked at. */
  quotas_copy: { args: [id: string, settings: [version: number, ns: string, created: number, content: string, label: string, units: number, window: number, concurrency: number, strategy: string, past: string]]; reply: string }
  /** What is counted of keys: slots, units, who waits, and when a unit has room (0: it has, or never will). */
  quotas_count: { args: [items: [id: string, key: string, units: number, windowMs: number, cost: number, version: number, past: string][]]; reply: [held: number, units: number, waiting: number, retryMs: number][] }
  /** Makes a quota, in the partition of its empty key. Answers whether the id is taken, and what stands under it. */
  quotas_create: { args: [id: string, settings: [version: number, ns: string, created: number, content: string, label: string, units: number, window: number, concurrency: number, strategy: string, past: string]]; reply: [isNew: boolean, settings: unknown[]] }
  /** Quotas of a namespace that have their home here, newest first, from behind a place on. */
  quotas_list: { args: [namespace: string, createdMs: number, id: string, max: number]; reply: [id: string, settings: unknown[]][] }
  /** A quota's settings as they stand in the partition, or nothing. */
  quotas_read: { args: [id: string]; reply: unknown[] }
  /** Gives back slots that were taken by hand. Answers of each whether it was held. */
  quotas_release: { args: [items: [id: string, key: string, holder: string, hand: string][]]; reply: boolean[] }
  /** Takes slots and units of a key for executions of one line, in their order, up to the first that it has no room for. That one's line is registered as a waiter in this step. A quota that drops what is new refuses each for itself. `flags` is a letter for each: t taken, d to be dropped, r refused, o refused where the oldest holder may be asked to go (see `quotas/ask`), and - not looked at. `ids` are UUIDs, one behind the other; see `bundles` for `origin`. */
  quotas_reserve: { args: [id: string, key: string, waiter: string, token: string, origin: string, ids: string, items: [number: number, cost: number, begins: boolean][]]; reply: [word: string, flags: string] }
  /** All copies have this version. */
  quotas_synced: { args: [id: string, version: number]; reply: string }
  /** Changes a quota at its home; what is not stated is -1, or ''. Its copies are to follow: it is noted that they may be old. */
  quotas_update: { args: [id: string, namespace: string, stated: string[], settings: [version: number, ns: string, created: number, content: string, label: string, units: number, window: number, concurrency: number, strategy: string, past: string], laterMs: number]; reply: unknown[] }
  /** Makes a bulk operation or a webhook unless it is there. Answers whether it did. */
  records_create: { args: [kind: string, name: string, createdMs: number, dueMs: number, definition: string, progress: string]; reply: boolean }
  /** Bulk operations or webhooks that are due, or will be within so many ms, the longest due first, and when the next of the others is (0: none). One that cannot be read is told of without its texts, and is not due again for a while. */
  records_due: { args: [kind: string, max: number, withinMs: number, brokenAgainMs: number]; reply: [rows: [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][], nextDueMs: number] }
  /** A namespace's bulk operations or webhooks in the partition, newest first, from behind a place on. */
  records_list: { args: [kind: string, namespace: string, beforeMs: number, beforeId: string, limit: number]; reply: [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][] }
  /** The record of a bulk operation or a webhook: empty where there is none. */
  records_read: { args: [kind: string, name: string]; reply: [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string] | [] }
  /** Removes a bulk operation or a webhook if it is at that version. Answers whether it did. */
  records_remove: { args: [kind: string, name: string, expected: number]; reply: boolean }
  /** Writes how far a bulk operation or a webhook has come if it is at that version, which it raises. A definition that is '' stays. Answers whether it did. */
  records_write: { args: [kind: string, name: string, expected: number, dueMs: number, progress: string, definition: string]; reply: boolean }
  /** Flows whose members are being ended in several steps, those that began first. */
  resolution_backlog: { args: [max: number]; reply: string[] }
  /** Carries out entries of the outbox: these, or those that are due. Entries of other kinds than ends, settlements that take a whole graph, are only named in `others`. `more`: some are due after it. `cancels`: losers of races are to be cancelled. */
  resolution_dispatch: { args: [entries: string[], max: number, edges: number]; reply: [items: unknown[][], others: [kind: string, entry: string, flow: string, what: unknown[]][], more: boolean, cancels: boolean] }
  /** Carries out the sibling cancel of one fired group, with at most so many members that it ends: `drained`, or `partial` when some are left. `replaying` and `ending`: the flow is to be gone on with first. */
  resolution_drain_siblings: { args: [flow: string, node: string, max: number]; reply: [outcome: string, siblings: [id: string, disposition: string, via: string][]] }
  /** Entries of the outbox that are due, oldest first. */
  resolution_due: { args: [max: number]; reply: string[] }
  /** Flows that are not over in all their parts, in the order of their ids, after this one; '' for the first. Of each its record by place, and its summary by place, or 0 where there is none. A record that is gone has 0. */
  resolution_live: { args: [after: string, max: number]; reply: [id: string, core: number, summary: number][] }
  /** Groups whose losers are to be cancelled: [flow, node], nodes of a flow in the order in which they were accepted. */
  resolution_pending_cancels: { args: [max: number]; reply: [flow: string, node: string][] }
  /** Puts off an entry of the outbox that could not be carried out. Answers how often that has happened. */
  resolution_postpone: { args: [entry: string]; reply: number }
  /** Writes summaries, by place, or 0 where it is as it was. A flow that has changed since it was counted is counted again; `counts` are written where the recount found others. Answers of each `written`, or `gone`. */
  resolution_project_write: { args: [items: [flow: string, change: number, summary: number, counts: unknown][]]; reply: string[] }
  /** Looks at flows for what their dispatcher should have done: pending edges whose upstream has ended, groups that their counters decide, and flows that nobody will settle; and does it. `from` is the place of the first flow's member to begin with. Answers what was found, and where to go on: place of the flow in the list and of its member, or 0 when all were looked at. */
  resolution_reconcile_dependencies: { args: [flows: string[], from: number, max: number]; reply: [items: [flow: string, outcome: string, node: string][], flow: number, from: number] }
  /** Looks at a sample of pending sibling cancels for what a crash left behind: of each its tuple and what it came to. One with a sibling that still runs is the dispatcher's. */
  resolution_reconcile_siblings: { args: [max: number]; reply: [tuple: string, outcome: string][] }
  /** The next batch of members that a seal, or the commit of a staged graph, left to let go. Answers how many records it changed. */
  resolution_release: { args: [entry: string, max: number]; reply: number }
  /** Ends a flow as the judgement of its graph says, if it is still as it was when that was read. Answers its letter then, '' where there is nothing to settle any more, and `moved` when it is to be read again. An entry goes with either of the first two. */
  resolution_settle: { args: [flow: string, entry: string, generation: number, revision: number, change: number, state: string]; reply: string }
  /** Makes a schedule unless it is there. Answers whether it did. */
  schedules_create: { args: [name: string, dueMs: number, progress: string, label: string, definition: string, work: string]; reply: boolean }
  /** Schedules that are due, the longest due first, and when the next of the others is (0: none). One that cannot be read is told of without its texts, and is not due again for a while. */
  schedules_due: { args: [max: number, brokenAgainMs: number]; reply: [rows: [name: string, label: string, version: number, dueMs: number, definition: string, progress: string, work: string][], nextDueMs: number] }
  /** A namespace's schedules in the partition, by label (as bytes), then id, from behind a place on. */
  schedules_list: { args: [namespace: string, afterLabel: string, afterId: string, limit: number]; reply: [name: string, label: string, version: number, dueMs: number, definition: string, progress: string][] }
  /** The record of a schedule: empty where there is none. */
  schedules_read: { args: [name: string]; reply: [name: string, label: string, version: number, dueMs: number, definition: string, progress: string, work: string] | [] }
  /** Removes a schedule if it is at that version. Answers whether it did. */
  schedules_remove: { args: [name: string, expected: number]; reply: boolean }
  /** Writes a schedule if it is at that version, which it raises. What is '' stays. Answers whether it did. */
  schedules_write: { args: [name: string, expected: number, dueMs: number, progress: string, label: string, definition: string, work: string]; reply: boolean }
  /** Appends frames that were judged by their stream's head, if it is still that one; else answers the head that there is, with the place of its document. `head` is what it becomes: number of the next, base of the lease, durable frames and bytes, patches. Frames are [number, mode, type or false, place]; `bounds` are those of capped ones: how many, bytes, ms. */
  streams_append: { args: [namespaces: string[], items: [execution: string, attempt: number, lease: string, epoch: number, expected: [number: number, at: number], head: [next: number, base: number, durable: number, durableBytes: number, patches: number], document: number, frames: [number: number, mode: string, type: unknown, place: number][]][], bounds: [frames: number, bytes: number, ageMs: number]]; reply: unknown[][] }
  /** Frames of an attempt from a number on, and if `across` of later ones, with what is recorded of the attempt: its state and what ended it by their letters ('' where it has not begun), and the number of its next frame. `attempt` is its index + 1; 0: the newest. The bytes are one frame each. */
  streams_look: { args: [namespace: string, id: string, attempt: number, from: number, limit: number, across: boolean, bytesMax: number]; reply: [attempts: number, terminal: boolean, attempt: number, state: string, by: string, next: number, rows: [attempt: number, number: number, mode: string, type: string, at: number, place: number][], more: boolean] }
  /** The document of an attempt's patches, if there is one, with how many there were, and the time of the last or 0. `attempt` is its index + 1; 0: the newest. */
  streams_summary: { args: [namespace: string, id: string, attempt: number]; reply: [attempts: number, attempt: number, patches: number, patchedAt: number, document: number] }
  /** Has a waitpoint take no more signals. Answers the letter of its state before. */
  suspensions_close_waitpoint: { args: [namespace: string, id: string]; reply: string }
  /** Names a point to wait on: for whoever holds the lease where a handle is given, else for any execution that has not ended. */
  suspensions_create_waitpoint: { args: [namespace: string, execution: string, handle: [execution: string, attempt: number, lease: string, epoch: number][], waitpoint: [id: string, name: string, expiresMs: number]]; reply: unknown[] }
  /** Keeps a signal, or says what is to be judged first: the condition and its state come along. `verdict`: '' not judged, c counted, n not needed; then the revision, the sequence of the signal, the state that it leads to, whether the condition holds by it, what has counted, and since when the suspension stands that it was judged by. */
  suspensions_deliver_signal: { args: [namespace: string, waitpoint: string, signal: [id: string, name: string, key: string, payload: number, source: unknown], verdict: [word: string, revision: number, sequence: number, state: string, holds: boolean, signals: number[], ends: [id: string, generation: number, outcome: string][], sinceMs: number]]; reply: unknown[] }
  /** These receivers of an entry of the outbox were told. Answers whether others are left; else the entry goes. */
  suspensions_delivered: { args: [entry: string, receivers: string[]]; reply: boolean }
  /** A waitpoint by its id alone: its namespace, its execution and itself. */
  suspensions_find_waitpoint: { args: [id: string]; reply: [namespace: string, execution: string, waitpoint: [id: string, name: string, state: string, createdMs: number, expiresMs: number, signals: number]] }
  /** Tells an execution how a child has ended. Where it waits for that, the condition and its state come along, to be judged first: `verdict` is the revision, or 0, the state that it leads to, whether the condition holds by it, and what has counted. */
  suspensions_hear: { args: [namespace: string, execution: string, child: string, generation: number, outcome: string, verdict: [revision: number, state: string, holds: boolean, signals: number[], ends: [id: string, generation: number, outcome: string][]]]; reply: unknown[] }
  /** Tells an execution of a child that names it as its parent. */
  suspensions_link: { args: [namespace: string, execution: string, child: string, isDetached: boolean]; reply: string }
  /** Signals of an execution from a position on, and how many there are: all, or those of a waitpoint, or that resumed a suspension. Fewer than asked for where they are long. */
  suspensions_list_signals: { args: [namespace: string, execution: string, waitpoint: string, suspension: string, from: number, limit: number]; reply: [signals: unknown[][], total: number] }
  /** The waitpoints of an execution from a position on, oldest first, and how many there are. */
  suspensions_list_waitpoints: { args: [namespace: string, execution: string, from: number, limit: number]; reply: [waitpoints: [id: string, name: string, state: string, createdMs: number, expiresMs: number, signals: number][], total: number] }
  /** What an entry of the outbox is to tell, and to whom: its next receivers, at most so many. */
  suspensions_message: { args: [entry: string, max: number]; reply: [kind: string, what: unknown[], receivers: string[]] }
  /** Cancels an execution whose parent was stopped, unless it has ended or is gone. */
  suspensions_stop: { args: [namespace: string, execution: string]; reply: string }
  /** Releases a lease to wait for a condition, unless what came early is to be judged first, or satisfies it. `wait`: letters of the reason and of what the timeout does, ms until that + 1 or 0, ms of the delay, whether waitpoints close. `named` are waitpoints and `children` whole ids in the condition. `judged`: sequence up to which it was judged, how many ends, whether it holds, its state, sequences and ends that have counted. One that begins is told with its revision, since when it stands, how many signals its execution has, and its route. */
  suspensions_suspend: { args: [namespaces: string[], handle: [execution: string, attempt: number, lease: string, epoch: number], id: string, wait: [reason: string, behaviour: string, timeout: number, delayMs: number, closes: boolean], waitpoints: [id: string, name: string, expiresMs: number][], named: string[], children: string[], withPayloads: boolean, condition: number, judged: [upTo: number, ends: number, holds: boolean, state: string, signals: number[], by: [id: string, generation: number, outcome: string][]]]; reply: unknown[] }
  /** Asks an execution or a flow of the partition to tell somebody of its end. Answers whether there is anything to wait for. */
  suspensions_watch: { args: [namespace: string, child: string, watcher: string]; reply: boolean }
  /** As `work`, for a tick that brings submissions: without memory for new work the server refuses all of it, undone. */
  work_accept: { args: [spaces: string[][], ends: [execution: string, attempt: number, lease: string, epoch: number, space: number, op: string, wish: string, at: number, failure: unknown, result: number][], routes: [rid: string, text: string, lane: string][], items: [id: string, route: number, priority: number, startMs: number, delayMs: number, policy: number, spec: string, hash: string, input: number][], claims: [instance: string, worker: string, claim: string, ttlMs: number, max: number, base: string, isRepeat: boolean, lanes: [lane: string, virtual: number, epoch: number, credit: number, seq: number, rids: string[]][], routes: number][], carries: boolean, carried: string[]]; reply: [ends: unknown[][], submissions: unknown[][], claims: unknown[][][], notes: [claim: number, lane: number, state: string, weight: number, active: number][], offers: [claim: number, line: string, base: string, namespace: string, asks: [quotas: [id: string, key: string, cost: number][], budgets: [id: string, estimate: unknown[]][]][], items: [execution: string, number: number, begins: boolean, asks: number][]][], messages: [entry: string, what: unknown[]][]] }
  /** What a worker's tick brings to a partition: ends of attempts, submissions and claims, in this order, as one step: a claim may get what was brought with it before it ever waited. One that fails leaves all of it undone. */
  work_work: { args: [spaces: string[][], ends: [execution: string, attempt: number, lease: string, epoch: number, space: number, op: string, wish: string, at: number, failure: unknown, result: number][], routes: [rid: string, text: string, lane: string][], items: [id: string, route: number, priority: number, startMs: number, delayMs: number, policy: number, spec: string, hash: string, input: number][], claims: [instance: string, worker: string, claim: string, ttlMs: number, max: number, base: string, isRepeat: boolean, lanes: [lane: string, virtual: number, epoch: number, credit: number, seq: number, rids: string[]][], routes: number][], carries: boolean, carried: string[]]; reply: [ends: unknown[][], submissions: unknown[][], claims: unknown[][][], notes: [claim: number, lane: number, state: string, weight: number, active: number][], offers: [claim: number, line: string, base: string, namespace: string, asks: [quotas: [id: string, key: string, cost: number][], budgets: [id: string, estimate: unknown[]][]][], items: [execution: string, number: number, begins: boolean, asks: number][]][], messages: [entry: string, what: unknown[]][]] }
  /** An instance lives, and so many attempts run on it. Answers whether it is known in these namespaces, and whether it is to drain. */
  workers_beat: { args: [instance: string, namespaces: string[], active: number]; reply: [isKnown: boolean, draining: boolean] }
  /** Asks an instance to stop claiming. Answers whether there is such a one in the namespace. */
  workers_drain: { args: [namespace: string, instance: string]; reply: boolean }
  /** An instance says goodbye: nobody is told of it any more, and it goes when its leases were handed back. `seenMs` names this goodbye for `settle`. */
  workers_leave: { args: [instance: string, namespaces: string[]]; reply: [isKnown: boolean, draining: boolean, seenMs: number] }
  /** All worker instances that have not said goodbye. */
  workers_list: { args: []; reply: [instance: string, namespaces: string[], text: string, registeredMs: number, active: number, draining: boolean, seenMs: number][] }
  /** Removes instances that were silent for so long, in the order of their ids. Those that owe leases are only named: they go when these were handed back. */
  workers_reap: { args: [silentMs: number, max: number]; reply: [removed: string[], owing: [instance: string, owes: number, seenMs: number][], more: boolean] }
  /** Announces a worker instance. One that is known owes the leases that it held until they were handed back: the answer says so. */
  workers_register: { args: [instance: string, namespaces: string[], text: string]; reply: boolean }
  /** What an instance owed was handed back: it stays without debts, or goes. Does nothing when it owes something else by now, or, where `seenMs` is given, was seen since. */
  workers_settle: { args: [instance: string, owes: number, seenMs: number, goes: boolean]; reply: boolean }
}

/** Which functions only read, so that a repeat of a lost call is always the same. */
export const readOnlyFunctions: ReadonlySet<string> = new Set(["access_get_namespace","access_get_token","access_list_namespaces","access_list_tokens","admission_due","admission_parked","admission_spender","admission_waiting","attempts_list","attempts_load_steps","attempts_load_upstream","audit_list","budgets_list","budgets_read","engines_list","events_read","executions_count","executions_depth","executions_explain","executions_get_input","executions_get_results","executions_get","executions_inspect","executions_list_members","executions_list","flows_entries","flows_extend_read","flows_facts","flows_fence","flows_get","flows_graph","flows_kept","flows_list","flows_reach","keyring_list","lanes_changes","lanes_depth","lanes_read","maintenance_clock","maintenance_deployment","maintenance_describe","maintenance_has_due","maintenance_libraries","maintenance_pulse_budgets","maintenance_pulse_home","maintenance_pulse_quotas","maintenance_ready","operations_clock","quotas_count","quotas_list","quotas_read","records_list","records_read","resolution_backlog","resolution_due","resolution_live","resolution_pending_cancels","schedules_list","schedules_read","streams_look","streams_summary","suspensions_find_waitpoint","suspensions_list_signals","suspensions_list_waitpoints","suspensions_message","workers_list"])

/** Which functions keep their answers by the id of the request, for a repeat of a lost call. */
export const requestFunctions: ReadonlySet<string> = new Set(["access_put_namespace","access_put_token","access_revoke","audit_append","budgets_reset","budgets_update","executions_cancel","executions_change_priority","executions_hold","executions_release","executions_replay","executions_set_tags","flows_cancel","flows_commit","flows_extend","flows_replay_begin","flows_seal","idempotency_forget","idempotency_replace","keyring_add","lanes_write","maintenance_advance","operations_carry_out","quotas_release","quotas_update","records_create","records_remove","records_write","schedules_create","schedules_remove","schedules_write","suspensions_close_waitpoint","suspensions_create_waitpoint"])

/** What each function may bring about that its caller is told of; absent where that is nothing. */
export const broughtBy: Readonly<Partial<Record<keyof LibraryFunctions, 'submit' | 'terminal' | 'record'>>> = {"access_put_namespace":"record","access_put_token":"record","access_revoke":"record","admission_cancel":"terminal","admission_use":"record","attempts_record_progress":"record","attempts_record_step":"record","audit_append":"record","budgets_create":"submit","budgets_report":"record","budgets_reset":"record","budgets_update":"record","executions_cancel":"terminal","executions_change_priority":"record","executions_hold":"record","executions_release":"record","executions_replay":"submit","executions_set_tags":"record","flows_cancel_next":"terminal","flows_cancel":"terminal","flows_commit":"submit","flows_create_draft":"submit","flows_extend":"submit","flows_replay_begin":"submit","flows_replay_inputs":"submit","flows_replay_next":"submit","flows_seal":"submit","flows_stage":"submit","flows_submit":"submit","idempotency_replace":"submit","idempotency_reserve":"submit","keyring_add":"record","keyring_retire":"record","lanes_write":"record","leases_revoke":"record","operations_carry_out":"terminal","quotas_create":"submit","quotas_release":"record","quotas_update":"record","records_create":"record","records_remove":"record","records_write":"record","schedules_create":"record","schedules_remove":"record","schedules_write":"record","streams_append":"record","suspensions_close_waitpoint":"record","suspensions_create_waitpoint":"record","suspensions_deliver_signal":"record","suspensions_link":"submit","suspensions_stop":"terminal","suspensions_suspend":"terminal"}
