-- Ends whose consequences are still to be carried out, flows that are to be settled, and other work that goes on in
-- steps. `completions` holds the entries' ids by the time from which each may be taken, the hash `outbox` what they
-- are about: [kind, flow, execution, generation, place from which edges are left, failures, when it was put]. Kinds:
-- c an end, s a settlement, r roots of a sealed draft, p a replay, w ancestors of losers; l, v, e, t are messages between parents
-- and children, see `family`, with what they say behind; g what is given back, see `demands`, k a holder that is to make room.

-- Of entries that wait until their flow is open: whoever opens it sets them due again.
local NEVER = 9000000000000000

-- Beyond so many entries nobody looks through all of them.
local LOOKED_THROUGH_MAX = 5000

-- An end: its edges are resolved in this call as far as the bounds allow, the rest is left.
function outbox.leave_completion(u, x)
  if x[X.flow] == '' then
    if u.inline == 0 then outbox.put(u, { 'c', '', record.id(u, x), x[X.generation], 1, 0 }) end
    return
  end
  outbox.leave_end(u, flows.require(u, x[X.flow]), resolve.end_of(u, x, x[X.generation], 1))
end

-- Of a member of the flow, see `resolve.end_of`.
function outbox.leave_end(u, f, each)
  flows.touch(u, f)
  f[F.entries] = f[F.entries] + 1
  u.fresh[#u.fresh + 1] = each
end

-- Answers the entry's id.
function outbox.put(u, item)
  local id = '00000000-0000-4000-8000-' .. string.format('%012x', call.next_seq(u))
  item[7] = u.now
  u.entries[#u.entries + 1] = { id = id, item = item, at = u.now }
  hints.outbox(u)
  return id
end

-- For a caller who carries it himself: it is due for others at that time, and nobody is told of it.
function outbox.put_for_caller(u, item, at)
  local id = '00000000-0000-4000-8000-' .. string.format('%012x', call.next_seq(u))
  item[7] = u.now
  u.entries[#u.entries + 1] = { id = id, item = item, at = at }
  return id
end

-- What could not be carried out in this call.
function outbox.put_completion(u, each, from)
  local item = { 'c', each.flow, each.id, each.generation, from, 0 }
  local id = outbox.put(u, item)
  local f = flows.require(u, each.flow)
  if not resolve.is_open(f) then outbox.park(u, f, id, item) end
end

function outbox.put_settlement(u, f)
  f[F.settling] = string.format('%d.%d', f[F.generation], f[F.revision])
  outbox.put(u, { 's', u.flow_ids[f], '', f[F.generation], f[F.revision], 0 })
end

local function decode(text)
  if not text then return nil end
  local ok, item = pcall(cmsgpack.unpack, text)
  if not ok or type(item) ~= 'table' or type(item[1]) ~= 'string' or type(item[2]) ~= 'string' then return false end
  return item
end

-- Of each id its item, nil where there is none, false where it does not decode; by id.
function outbox.read(u, ids)
  local items = {}
  for from = 1, #ids, 1000 do
    local to = math.min(from + 999, #ids)
    local found = redis.call('HMGET', u.key.idx .. 'outbox', unpack(ids, from, to))
    for place = from, to do items[ids[place]] = decode(found[place - from + 1]) end
  end
  return items
end

-- The flow's entries in their order: [id, item] each. Nil where there are too many in all to be looked through.
function outbox.of_flow(u, id)
  if u.all_entries == nil then
    local key = u.key.idx .. 'outbox'
    if redis.call('HLEN', key) > LOOKED_THROUGH_MAX then return nil end
    u.all_entries = redis.call('HGETALL', key)
  end
  local list = {}
  for place = 1, #u.all_entries, 2 do
    local item = decode(u.all_entries[place + 1])
    if item and item[2] == id then list[#list + 1] = { u.all_entries[place], item } end
  end
  table.sort(list, function(one, other) return one[1] < other[1] end)
  return list
end

function outbox.remove(u, id)
  u.entries[#u.entries + 1] = { id = id }
end

-- Writes it again; without a time it stays where it is in the order.
function outbox.keep(u, id, item, at)
  u.entries[#u.entries + 1] = { id = id, item = item, at = at }
end

-- After a failure: to be taken again later, longer each time, up to a minute. It stays for ever.
function outbox.put_off(u, id, item)
  local at = u.now + math.min(60000, 100 * 2 ^ math.min(item and item[6] or 10, 10))
  if item then item[6] = item[6] + 1 end
  outbox.keep(u, id, item, at)
end

-- Of a flow in which nothing is decided now.
function outbox.park(u, f, id, item)
  local flow = u.flow_ids[f]
  flows.touch(u, f)
  f[F.parked] = f[F.parked] + 1
  u.parked = u.parked or {}
  u.parked[flow] = u.parked[flow] or {}
  table.insert(u.parked[flow], { id, item[7] })
  outbox.keep(u, id, item, NEVER)
end

-- Sets due what waited, once the flow is open, in the order in which it was put.
function outbox.unpark(u, flow)
  local f = flows.require(u, flow)
  if f[F.parked] == 0 or not resolve.is_open(f) then return end
  local key = flows.key(u, flow, 'parked')
  local ids = redis.call('LRANGE', key, 0, -1)
  local items = #ids <= 1000 and outbox.read(u, ids) or {}
  for _, id in ipairs(ids) do outbox.keep(u, id, nil, items[id] and items[id][7] or u.now) end
  for _, each in ipairs(u.parked and u.parked[flow] or {}) do outbox.keep(u, each[1], nil, each[2]) end
  if u.parked then u.parked[flow] = nil end
  if #ids > 0 then aside.drop(u, key) end
  flows.touch(u, f)
  f[F.parked] = 0
  hints.outbox(u)
end

-- The last word about each entry counts.
local function last_words(u)
  local list, by_id = {}, {}
  for _, entry in ipairs(u.entries) do
    local known = by_id[entry.id]
    if known == nil then
      by_id[entry.id] = entry
      list[#list + 1] = entry
    else
      known.item = (entry.item or entry.at) and (entry.item or known.item) or nil
      known.at = (entry.item or entry.at) and (entry.at or known.at) or nil
    end
  end
  return list
end

function outbox.stage(u, staged)
  local ids, hash = u.key.idx .. 'completions', u.key.idx .. 'outbox'
  for _, entry in ipairs(last_words(u)) do
    if entry.at then staged.add(ids, entry.at, entry.id) end
    if entry.item then
      local fields = staged.hashes[hash] or {}
      staged.hashes[hash] = fields
      fields[#fields + 1] = entry.id
      fields[#fields + 1] = cmsgpack.pack(entry.item)
    end
    if not entry.at and not entry.item then
      staged.cut(ids, entry.id)
      staged.dels[hash] = staged.dels[hash] or {}
      staged.dels[hash][#staged.dels[hash] + 1] = entry.id
    end
  end
  u.entries = {}
  for flow, list in pairs(u.parked or {}) do
    local added = {}
    for place, each in ipairs(list) do added[place] = each[1] end
    staged.lists[flows.key(u, flow, 'parked')] = added
  end
  u.parked = nil
  u.all_entries = nil
end
