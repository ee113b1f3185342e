-- The short way of executions that name quotas or budgets, beside `plain`, whose runs of bytes it takes: offered, and handed out for
-- the first time. What they ask is the last field of their records, and mostly the same for all of a line.

-- As `cmsgpack` writes what stands before an execution's demands, and what stands in them behind what it asks: no lease, and nothing
-- of its own to be given back.
local FALSE, NO_LEASE, BEHIND_LEASE = '\194', '\160\0\0\0', '\0\0\0'
local NONE, ID, ID_LENGTH = '\0', '\217\36', 36
local FIELDS = 7

-- What was asked lately: [line, quotas, budgets], and as `bytes` how that stands in a record, from its result on. What follows from
-- bytes, so that it does not matter how long it is kept.
local asked = {}
local ASKED_MAX = 8

local function find(text, behind)
  local over = plain.over(text)
  for _, asks in ipairs(asked) do
    local at = over - #behind - #asks.bytes
    if at > 0 and plain.has(text, at, asks.bytes) and plain.has(text, over - #behind, behind) then return asks, at end
  end
  return nil
end

local function learn(text)
  local ok, _, x = pcall(cmsgpack.unpack_one, text, 4)
  local d = ok and type(x) == 'table' and #x == X.demands and x[X.waits] == false and x[X.demands]
  if type(d) ~= 'table' or #d ~= FIELDS then return false end
  local asks = cmsgpack.pack({ d[D.line], d[D.quotas], d[D.budgets], '', 0, 0, 0 })
  local bytes = plain.runs().last .. FALSE .. string.sub(asks, 1, -1 - #NO_LEASE)
  for _, each in ipairs(asked) do
    if each.bytes == bytes then return false end
  end
  table.insert(asked, 1, { d[D.line], d[D.quotas], d[D.budgets], bytes = bytes })
  asked[ASKED_MAX + 1] = nil
  return true
end

-- What it asks, where `behind` stands behind that, and where the fields from the result on begin; or nil. The bytes end where the
-- fields end, and no text in a record has such bytes, since texts are UTF-8.
local function asks_of(text, behind)
  local asks, at = find(text, behind)
  if not asks and learn(text) then asks, at = find(text, behind) end
  return asks, at
end

-- Of one that runs under the lease.
function named.held(text, lease)
  return asks_of(text, ID .. lease .. BEHIND_LEASE)
end

-- How much shorter it is once it has ended: without the lease.
named.LEASED, named.UNLEASED = #ID + ID_LENGTH + #BEHIND_LEASE, NO_LEASE

-- Of one that waits for its first attempt: what it asks, where its counts, its attempt, and its fields from the result on begin; or nil.
local function look(text)
  local run = plain.runs()
  local counts_at, attempt_at, flow_at = plain.look(text, run.named_waiting, run.unclaimed)
  if not counts_at or flow_at or not plain.has(text, attempt_at, NONE) or not plain.has_no_times(text, attempt_at + 1) then return nil end
  local asks, last_at = asks_of(text, NO_LEASE)
  return asks, counts_at, attempt_at, last_at
end

-- The first heads of a line in its queue, [id, what it asks] each; or nil where something of it is not plain.
function named.heads(u, key, rid, lid, max)
  if u.fault then return nil end
  local ids, list = redis.call('ZRANGE', key, 0, max - 1), {}
  for place, member in ipairs(ids) do
    local id = string.sub(member, 12)
    if u.records[id] ~= nil or u.changed[id] then return nil end
    ids[place] = id
  end
  local texts = record.fetch(u, ids)
  for place, id in ipairs(ids) do
    local text = texts[place]
    local asks = text and plain.rid(text) == rid and look(text)
    if not asks or asks[D.line] ~= lid then
      record.keep_all(u, ids, texts, {})
      return nil
    end
    list[place] = { id, asks }
  end
  return list
end

-- What starts for one claim: [instance, worker, claim, ttl].
function named.starter(u, claim)
  local run, now, expires = plain.runs(), plain.now_of(u), u.now + claim[4]
  local staged = flush.staged(u)
  return {
    staged = staged, expires = expires, holder = flush.holder(u, staged, claim[1]),
    before = run.started .. now .. NONE .. NONE .. now .. cmsgpack.pack(expires) .. NONE .. ID,
    behind = ID .. claim[1] .. cmsgpack.pack(claim[2]) .. ID .. claim[3] .. run.at_start,
  }
end

-- Leases a head of the line for its first attempt. Answers [id, text]; or nil where it is not plain.
function named.start(u, starter, line, id, lease, text)
  if u.fault or not text or #lease ~= ID_LENGTH or u.records[id] ~= nil or u.changed[id] then return nil end
  local asks, counts_at, attempt_at, last_at = look(text)
  if not asks or asks[D.line] ~= line.id or not plain.has_last(text, last_at) then return nil end
  local input = plain.input_outside(u, id, text, last_at)
  if input == nil then return nil end
  local rid, run = plain.rid(text), plain.runs()
  local lane = lanes.of(u, routes.of(u, rid).key)
  if not lanes.starts(lane) or not plain.is_quiet(lane) then return nil end
  local over = plain.over(text)
  local grown = #starter.before + ID_LENGTH + #starter.behind - #NONE + named.LEASED - #NO_LEASE
  local active = record.length(over - 5 + grown) .. run.named_active .. plain.from_rid(text, counts_at - 1) .. run.claimed
    .. string.sub(text, counts_at + #run.claimed, attempt_at - 1) .. starter.before .. lease .. starter.behind
    .. string.sub(text, attempt_at + 1, over - #NO_LEASE - 1) .. ID .. lease .. BEHIND_LEASE .. string.sub(text, over)
  local plan, held = flush.plan(starter.staged, rid), starter.holder.change.add
  lines.cut(line, rid, string.format('%011x', plain.seq(text)) .. id)
  held[#held + 1] = starter.expires
  held[#held + 1] = id
  if not starter.holder.first or starter.expires < starter.holder.first then starter.holder.first = starter.expires end
  plan.counts.w = (plan.counts.w or 0) - 1
  plan.counts.a = (plan.counts.a or 0) + 1
  plain.put(u, starter.staged, id, active)
  return { id, active, input }
end
