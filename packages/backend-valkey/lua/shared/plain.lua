-- What most executions go through, and nothing else: accepted, handed out for the first time, completed by their holder; on their
-- own, or with `nodes` as members of flows. For these three steps this does what `transition`, `project` and `record.encode` do, but on the stored bytes, without
-- a table for each record. What is not exactly as it expects is left to them. Both ways store the same bytes and tell the same,
-- which a test compares; nothing here is a rule of its own.

local RID_LENGTH, ID_LENGTH = 12, 36
local INSIDE_MAX = 512
local BEYOND = 2147483647
local COMPLETED = { 'completed', 0, false }
-- As `cmsgpack` writes 0, 1, 2, an empty text, and what stands before the text of an id; it is not there while the library loads.
local NONE, INSIDE, OUTSIDE, EMPTY, ID = '\0', '\1', '\2', '\160', '\217\36'

local NOTHING_TWICE, NOTHING_EVER, NO_DEADLINE = NONE .. NONE, NONE .. NONE .. NONE, NONE .. ID

-- How many bytes a number takes, by its first one.
local WIDTHS = { [0xcc] = 2, [0xcd] = 3, [0xce] = 5, [0xcf] = 9, [0xd0] = 2, [0xd1] = 3, [0xd2] = 5, [0xd3] = 9 }
for first = 0, 127 do WIDTHS[first] = 1 end
-- Nothing stands behind what is no number.
for first = 128, 255 do WIDTHS[first] = WIDTHS[first] or BEYOND end
local NO_NUMBER = 0xc1

local function bytes_of(fields, from, to)
  local parts = {}
  for place = from, to do parts[#parts + 1] = cmsgpack.pack(fields[place]) end
  return table.concat(parts)
end

local function header_of(fields)
  return string.sub(cmsgpack.pack(fields), 1, 3)
end

-- Runs of fields that are the same in all such records, by state.
local known

function plain.runs()
  if known then return known end
  local x = submits.draft({ seq = 0, now = 0 }, string.rep('0', RID_LENGTH), 0, 0, '', '', false)
  local header = header_of(x)
  local function front(...)
    transition.set(x, ...)
    return header .. bytes_of(x, X.phase, X.att) .. string.sub(cmsgpack.pack(x[X.rid]), 1, 1)
  end
  known = {
    waiting = front('r', '-', 'e', 'w', '-', '1'), active = front('a', 'l', '-', '-', '-', 'r'), ended = front('t', '-', '-', '-', 's', 'z'),
    unclaimed = bytes_of(x, X.generation, X.replays),
    open = bytes_of(x, X.not_before, X.kept), before_flow = bytes_of(x, X.not_before, X.always) .. ID,
    after_name = bytes_of(x, X.yielded, X.kept), last = bytes_of(x, X.result, X.staged),
  }
  x[X.outs] = 1
  known.last_with_outs = bytes_of(x, X.result, X.staged)
  x[X.outs] = 0
  known.blocked = front('r', '-', 'd', 'n', '-', '1')
  x[X.deps] = 1
  known.blocked_before_flow = bytes_of(x, X.not_before, X.always) .. ID
  x[X.always] = 1
  known.always_before_flow = bytes_of(x, X.not_before, X.always) .. ID
  x[X.deps], x[X.always] = 0, 0
  x[X.waits], x[X.demands] = false, {}
  for _, name in ipairs({ 'waiting', 'active', 'ended' }) do
    known['named_' .. name] = header_of(x) .. string.sub(known[name], #header + 1)
  end
  x[X.waits], x[X.demands] = nil, nil
  x[X.epoch], x[X.attempts], x[X.retries] = 1, 1, 1
  known.claimed = bytes_of(x, X.generation, X.replays)
  local attempt = { 0, 'i', 's', '', 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, '', '', '', '', '1', '', 0, 0 }
  known.started = header_of(attempt) .. bytes_of(attempt, A.index, A.epoch)
  known.at_start = bytes_of(attempt, A.before, A.failure)
  attempt[A.state], attempt[A.by], attempt[A.op], attempt[A.answer] = 'c', 'h', 'c', COMPLETED
  known.succeeded = header_of(attempt) .. bytes_of(attempt, A.index, A.epoch)
  known.at_end = bytes_of(attempt, A.before, A.failure)
  return known
end

-- Where the route's id stands, and what follows it, in a stored record.
local RID_AT = 21
local SEQ_AT = RID_AT + RID_LENGTH

local function after_number(text, at)
  return at + WIDTHS[string.byte(text, at) or NO_NUMBER]
end

local function after_text(text, at)
  local first = string.byte(text, at) or 0
  if first >= 0xa0 and first <= 0xbf then return at + 1 + first - 0xa0 end
  if first == 0xd9 then return at + 2 + (string.byte(text, at + 1) or BEYOND) end
  return BEYOND
end

function plain.has(text, at, run)
  return string.find(text, run, at, true) == at
end

-- How long the fields are, as the record says.
local function length_of(text)
  local a, b, c, d = string.byte(text, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

function plain.now_of(u)
  u.now_bytes = u.now_bytes or cmsgpack.pack(u.now)
  return u.now_bytes
end

-- Behind all fields.
function plain.over(text)
  return 5 + length_of(text)
end

function plain.rid(text)
  return string.sub(text, RID_AT, SEQ_AT - 1)
end

function plain.from_rid(text, to)
  return string.sub(text, RID_AT, to)
end

-- The order in which it was accepted.
function plain.seq(text)
  local _, seq = cmsgpack.unpack_one(text, SEQ_AT - 1)
  return seq
end

-- Where, behind its times, its blocks end, and of a member of a flow where that one's id begins.
local function blocks_of(text, at)
  if plain.has(text, at, known.open) then return at + #known.open, nil end
  if not plain.has(text, at, known.before_flow) then return nil end
  local flow_at = at + #known.before_flow
  local yielded_at = after_text(text, flow_at + ID_LENGTH)
  if not plain.has(text, yielded_at, known.after_name) then return nil end
  return yielded_at + #known.after_name, flow_at
end

-- Where its counts begin, where its blocks end, and of a member of a flow where that one's id begins; nil if it is none of these.
function plain.look(text, front, counts)
  local find, byte = string.find, string.byte
  if find(text, front, 5, true) ~= 5 then return nil end
  local at = SEQ_AT + WIDTHS[byte(text, SEQ_AT) or NO_NUMBER]
  at = at + WIDTHS[byte(text, at) or NO_NUMBER]
  at = at + WIDTHS[byte(text, at) or NO_NUMBER]
  if find(text, counts, at, true) ~= at then return nil end
  local counts_at = at
  at = at + #counts
  at = at + WIDTHS[byte(text, at) or NO_NUMBER]
  at = at + WIDTHS[byte(text, at) or NO_NUMBER]
  at = at + WIDTHS[byte(text, at) or NO_NUMBER]
  local blocks_end, flow_at = blocks_of(text, at)
  if not blocks_end then return nil end
  return counts_at, blocks_end, flow_at
end

local function text_bytes(text)
  return text == '' and EMPTY or cmsgpack.pack(text)
end

-- A lane whose events and slots are nobody's business here.
function plain.is_quiet(lane)
  return not lane.is_capped and lane.events ~= 'all'
end

-- What `record` does with a result or an input: where it stands and its length, as they are written, and what of it stands in the record.
local function lay(u, id, what, payload)
  if not payload then return NONE, NONE, '' end
  if #payload <= INSIDE_MAX then return INSIDE, cmsgpack.pack(#payload), payload end
  record.put_outside(u, flush.staged(u).writes, id, what, payload)
  return OUTSIDE, NONE, ''
end

function plain.put(u, staged, id, text)
  local writes = staged.writes
  local n = #writes
  writes[n + 1] = u.key.exec .. id .. ':core'
  writes[n + 2] = text
  u.changed[id] = text
  u.records[id] = nil
end

-- ---- Accepted

-- Together with claims the other way is shorter: what is handed out at once never gets into an index.
function plain.may_accept(u, item, lane)
  return not u.fault and not u.claims and item[4] == 0 and item[5] == 0 and item[6].is_plain and plain.is_quiet(lane)
end

-- The bytes of a new record, and its number. `own`: bytes of its policies; `is_open`: nothing blocks it, so that it queues with
-- that score; `blocks`, `last`: runs of bytes.
function plain.compose(u, id, rid, front, priority, score, is_open, blocks, own, spec, hash, input, last)
  local run, now, pack = known, plain.now_of(u), cmsgpack.pack
  local number = call.next_seq(u)
  local seq, urgency, times = pack(number), NONE, NOTHING_EVER
  if is_open then times = (score == u.now and now or pack(score)) .. now .. now end
  if priority ~= 0 then urgency = pack(priority) end
  local kind, length, tail = lay(u, id, 'input', input)
  spec, hash = text_bytes(spec), text_bytes(hash)
  local size = #front + RID_LENGTH + #seq + #now + #urgency + #run.unclaimed + #times + #blocks + #NONE + #own + #spec + #hash
    + #kind + #length + #last
  return record.length(size) .. front .. rid .. seq .. now .. urgency .. run.unclaimed .. times .. blocks .. NONE .. own .. spec
    .. hash .. kind .. length .. last .. tail, number
end

-- It is in the indexes of what is claimable.
function plain.queue(u, staged, plan, id, number, score)
  local add, listed = plan.add, flush.listing(u, staged, plan, 'open').add
  add[#add + 1] = score
  add[#add + 1] = string.format('%011x', number) .. id
  listed[#listed + 1] = u.now
  listed[#listed + 1] = id
  plan.counts.w = (plan.counts.w or 0) + 1
end

-- It waits for its upstreams.
function plain.block(u, staged, plan, id)
  local listed = flush.listing(u, staged, plan, 'open').add
  listed[#listed + 1] = u.now
  listed[#listed + 1] = id
  plan.counts.b = (plan.counts.b or 0) + 1
end

-- `item`: as `submits.run` has it, with its policies as `policy.read` answers them.
function plain.accept(u, item, rid, lane, input)
  local run, id = plain.runs(), item[1]
  local score = u.now - item[3] * lanes.step(lane)
  local text, number = plain.compose(u, id, rid, run.waiting, item[3], score, true, run.open, item[6].bytes, item[7], item[8], input,
    run.last)
  local staged = flush.staged(u)
  plain.queue(u, staged, flush.plan(staged, rid), id, number, score)
  plain.put(u, staged, id, text)
  routes.use(u, rid)
end

-- ---- Handed out

-- Whether policies, which begin there, leave these steps alone: neither deadlines nor a retention of its own.
function plain.has_no_times(text, at)
  return plain.has(text, at, NONE) or plain.has(text, at, policy.NO_TIMES)
end

-- Where the fields from the result on begin, in the shape that they have as long as there is none.
local function last_at(text)
  return 5 + length_of(text) - #known.last
end

-- Whether they have it, with downstreams or without.
function plain.has_last(text, at)
  return plain.has(text, at, known.last) or plain.has(text, at, known.last_with_outs)
end

-- Its input where that has a key of its own, else false; nil where there is nothing under the key: of a record whose fields from the
-- result on begin there, and have the shape that `has_last` knows. An input that has no length there is none, or is elsewhere.
function plain.input_outside(u, id, text, at)
  if #text >= plain.over(text) or string.byte(text, at - 2) ~= 2 then return false end
  local input = redis.pcall('GET', record.payload_key(u, id, 'input'))
  return type(input) == 'string' and input ~= '' and input or nil
end

local function is_changed(u, id)
  local x = u.records[id]
  return u.changed[id] ~= nil or (x and record.is_dirty(u, x)) or false
end

-- What `input_outside` answers for each of them, as far as they are handed out at once; or nil.
local function inputs_of(u, ids, texts, max_bytes)
  local inputs, bytes = {}, 0
  for place = 1, #ids do
    local text = texts[place]
    local input = plain.input_outside(u, ids[place], text, last_at(text))
    if input == nil then return nil end
    bytes = bytes + handed.bytes_of(text, input)
    if place > 1 and bytes > max_bytes then break end
    inputs[place] = input
  end
  return inputs
end

-- Of a claim that asks for one route: what it gets, as [id, text, input or false] each, but for the first no more than so many bytes;
-- or nil where something of it is not plain.
function plain.claim(u, request, lane, rid, max_bytes)
  if u.fault or not u.is_all_plain or not plain.is_quiet(lane) or u.claimable[rid] or (u.lines and lines.count(u, rid) > 0) then return nil end
  local run, key, from = plain.runs(), u.key.idx .. 'ready:' .. rid, u.taken[rid] or 0
  local entries, ids = redis.call('ZRANGE', key, from, from + request[5] - 1), {}
  for place = 1, #entries do
    local id = string.sub(entries[place], 12)
    if is_changed(u, id) then return nil end
    ids[place] = id
  end
  local texts, ats, attempts_at, members_at, has_members = record.fetch(u, ids), {}, {}, {}, false
  for place = 1, #ids do
    local text = texts[place]
    local counts_at, attempt_at, flow_at
    if text then counts_at, attempt_at, flow_at = plain.look(text, run.waiting, run.unclaimed) end
    if not counts_at or string.sub(text, RID_AT, SEQ_AT - 1) ~= rid or not plain.has(text, attempt_at, NONE)
      or not plain.has_no_times(text, attempt_at + 1) or not plain.has_last(text, last_at(text)) then
      record.keep_all(u, ids, texts, {})
      return nil
    end
    ats[place], attempts_at[place], members_at[place] = counts_at, attempt_at, flow_at or false
    has_members = has_members or flow_at
  end
  if has_members and not nodes.may_start(u, ids, texts, members_at) then
    record.keep_all(u, ids, texts, {})
    return nil
  end
  local inputs = inputs_of(u, ids, texts, max_bytes)
  if not inputs then
    record.keep_all(u, ids, texts, {})
    return nil
  end
  local staged, now, expires = flush.staged(u), plain.now_of(u), u.now + request[4]
  local plan, holder = flush.plan(staged, rid), flush.holder(u, staged, request[1])
  local cut, held, list = plan.cut, holder.change.add, { is_plain = true }
  local expiry = cmsgpack.pack(expires)
  local before = run.started .. now .. NONE .. NONE .. now .. expiry .. NONE .. ID
  local behind = ID .. request[1] .. cmsgpack.pack(request[2]) .. ID .. request[3] .. run.at_start
  local grown = #before + ID_LENGTH + #behind - #NONE
  for place = 1, #inputs do
    local id, text, at, attempt_at, flow_at = ids[place], texts[place], ats[place], attempts_at[place], members_at[place]
    local active = record.length(length_of(text) + grown) .. run.active .. string.sub(text, RID_AT, at - 1) .. run.claimed
      .. string.sub(text, at + #run.claimed, attempt_at - 1) .. before .. request[6] .. string.format('%012x', place) .. behind
      .. string.sub(text, attempt_at + 1)
    cut[#cut + 1] = entries[place]
    held[#held + 1] = expires
    held[#held + 1] = id
    plain.put(u, staged, id, active)
    if flow_at then nodes.started(u, id, text, flow_at, rid) end
    list[place] = { id, active, inputs[place] }
  end
  -- They leave the ready set with the flush: the next claim of this call begins behind them.
  u.taken[rid] = from + #inputs
  if #inputs > 0 then
    if not holder.first or expires < holder.first then holder.first = expires end
    plan.counts.w = (plan.counts.w or 0) - #inputs
    plan.counts.a = (plan.counts.a or 0) + #inputs
  end
  return list
end

-- ---- Completed

local function is_among(namespaces, ns)
  for _, each in ipairs(namespaces) do
    if each == ns then return true end
  end
  return false
end

-- Whether it was carried out: what is fenced off, repeated, late or unusual is for the other way. `item`: as `ends.run` has it.
-- What it holds of quotas and budgets, which stands behind all else, is given back.
function plain.complete(u, item, namespaces, text, result)
  if u.fault or u.inline == 0 or item[2] ~= 0 or item[4] ~= 1 then return false end
  local run, id = plain.runs(), item[1]
  local counts_at, attempt_at, flow_at = plain.look(text, run.active, run.claimed)
  local asks, its_last_at = nil, counts_at and last_at(text)
  if not counts_at then
    counts_at, attempt_at, flow_at = plain.look(text, run.named_active, run.claimed)
    if counts_at and not flow_at then asks, its_last_at = named.held(text, item[3]) end
    if not asks then return false end
  end
  if not plain.has(text, attempt_at, run.started) then return false end
  local started_at = attempt_at + #run.started
  local ended_at = after_number(text, started_at)
  local leased_at = ended_at + 2
  local expires_at = after_number(text, leased_at)
  local deadline_at = after_number(text, expires_at)
  local lease_at = deadline_at + 1
  local instance_at = lease_at + #ID + ID_LENGTH
  local claim_at = after_text(text, instance_at + #ID + ID_LENGTH)
  local before_at = claim_at + #ID + ID_LENGTH
  local policy_at = before_at + #run.at_start
  if not plain.has(text, ended_at, NOTHING_TWICE) or not plain.has(text, deadline_at, NO_DEADLINE) or not plain.has(text, lease_at + #ID, item[3])
    or not plain.has(text, instance_at, ID) or not plain.has(text, claim_at, ID) or not plain.has(text, before_at, run.at_start)
    or not plain.has_no_times(text, policy_at) then return false end
  local rid = string.sub(text, RID_AT, SEQ_AT - 1)
  local route = routes.of(u, rid)
  local lane = lanes.of(u, route.key)
  if lane.is_capped or #item[3] ~= ID_LENGTH or not is_among(namespaces, route.ns) then return false end
  if (result or flow_at) and not plain.has_last(text, its_last_at) then return false end
  local f = flow_at and nodes.flow(u, nodes.flow_id(text, flow_at))
  if flow_at and not f then return false end
  local now, kept_until, length = plain.now_of(u), u.now + lane.retention, length_of(text)
  local kept, tail = cmsgpack.pack(kept_until), nil
  local fields_to, unleased = 4 + length, ''
  if asks then fields_to, unleased = fields_to - named.LEASED, named.UNLEASED end
  local size = length + 2 * #now + #kept - 3 + #run.succeeded - #run.started + 1 - (deadline_at - expires_at)
    + 1 - (#ID + ID_LENGTH) + #run.at_end - #run.at_start + fields_to + #unleased - 4 - length
  if result then
    local kind, width, inside = lay(u, id, 'result', result)
    size = size + #width - 1
    tail = string.sub(text, policy_at, its_last_at - 1) .. kind .. width .. string.sub(text, its_last_at + 2, fields_to) .. unleased
      .. inside .. string.sub(text, 5 + length)
  else
    tail = string.sub(text, policy_at, fields_to) .. unleased .. string.sub(text, 5 + length)
  end
  local ended = record.length(size) .. (asks and run.named_ended or run.ended) .. string.sub(text, RID_AT, attempt_at - 3) .. now .. kept
    .. run.succeeded .. string.sub(text, started_at, ended_at - 1) .. now .. NONE .. string.sub(text, leased_at, expires_at - 1)
    .. NONE .. NONE .. string.sub(text, lease_at, claim_at - 1) .. EMPTY .. run.at_end .. tail
  local staged = flush.staged(u)
  local plan = flush.plan(staged, rid)
  local instance = string.sub(text, instance_at + #ID, instance_at + #ID + ID_LENGTH - 1)
  local held = flush.holder(u, staged, instance).change.cut
  local open, good = flush.listing(u, staged, plan, 'open').cut, flush.listing(u, staged, plan, 'ended').add
  local _, created = cmsgpack.unpack_one(text, after_number(text, SEQ_AT) - 1)
  held[#held + 1] = id
  open[#open + 1] = id
  good[#good + 1] = created
  good[#good + 1] = id
  plan.counts.a = (plan.counts.a or 0) - 1
  plan.counts.c = (plan.counts.c or 0) + 1
  plain.put(u, staged, id, ended)
  if f then
    nodes.completed(u, f, id, text, flow_at, route, kept_until, plain.has(text, its_last_at, run.last_with_outs))
  else
    retention.keep(staged, kept_until, id)
  end
  if not f and lane.events ~= 'none' then
    local list = u.news.events
    list[#list + 1] = { 'x', id, route, '', '', 'c', 'a', 1, 1, '' }
  end
  hints.ended(u, id)
  if asks then demands.give_back(u, route.ns, asks, id, item[3], 0) end
  return true
end
