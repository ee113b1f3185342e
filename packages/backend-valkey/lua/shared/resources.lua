-- What a claim may find short: one key of a quota, named `q/<id>/<key>`, or a budget, `b/<id>`. Each has a hash of its holders, an
-- execution under a lease each, `<execution>|<lease>`, alone or in one of `bundles`, and a line of waiters, `<partition>|<line>`.
--
-- A holder is tentative until its execution was looked at: `tentative` says when that is to be, ten seconds after it was taken.
-- Then it is held for good if the execution runs under that lease, and given back if it doesn't: nothing is decided by time alone.
-- `wake` has what may have room for those who wait for it, by when it is to be looked at.

local TENTATIVE_MS = 10000
-- Those that were woken may be served by nobody: while there is room, and others wait, these are looked at again.
local SWEEP_MS = 1000
-- What is held is counted again after that.
local REVIEW_MS = 30000
local LOOKS_MAX = 256

function resources.of_quota(id, key)
  return 'q/' .. id .. '/' .. key
end

function resources.of_budget(id)
  return 'b/' .. id
end

-- 'q' or 'b', id, key.
function resources.read_name(name)
  return string.sub(name, 1, 1), string.sub(name, 3, 38), string.sub(name, 40)
end

local function key_of(u, part, name)
  return u.key.root .. ':' .. part .. ':' .. u.key.tag .. ':' .. name
end

function resources.holders_key(u, name) return key_of(u, 'held', name) end
local function waiting_key(u, name) return key_of(u, 'waiting', name) end
local function waiters_key(u, name) return key_of(u, 'waiters', name) end

local function decode(key, text)
  local ok, row = pcall(cmsgpack.unpack, text)
  if not ok or type(row) ~= 'table' then call.refuse('corruption', key) end
  return row
end
resources.decode = decode

function resources.set(u, key, field, value)
  local hashes = flush.staged(u).hashes
  local fields = hashes[key]
  if fields == nil then
    fields = {}
    hashes[key] = fields
  end
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end

function resources.delete(u, key, field)
  local dels = flush.staged(u).dels
  dels[key] = dels[key] or {}
  dels[key][#dels[key] + 1] = field
end

-- ---- Holders: [till or 0, step, units, seq, 1: asked to go, slots | amounts, {key of a slot taken by hand → units}]

function resources.holder(u, name, holder)
  u.holders_met = u.holders_met or {}
  local id = name .. '\0' .. holder
  local row = u.holders_met[id]
  if row == nil then
    local key = resources.holders_key(u, name)
    local bundle, place = bundles.find(u, name, holder)
    if bundle then
      row = bundles.row(bundle, place)
    else
      local text = redis.call('HGET', key, holder)
      row = text and decode(key, text) or false
    end
    u.holders_met[id] = row
  end
  return row
end

function resources.put_holder(u, name, holder, row)
  local bundle, place = bundles.find(u, name, holder)
  if bundle then bundles.take_out(u, bundle, place) end
  u.holders_met = u.holders_met or {}
  u.holders_met[name .. '\0' .. holder] = row
  u.holders_new = u.holders_new or {}
  u.holders_new[name .. '\0' .. holder] = { name, holder }
end

-- Has somebody look at a new one, or a bundle of them, in a while. Answers when.
function resources.tentative_until(u, name, holder)
  local staged, till = flush.staged(u), u.now + TENTATIVE_MS
  staged.add(u.key.idx .. 'tentative', till, name .. '\0' .. holder)
  u.reviewed = u.reviewed or {}
  if not u.reviewed[name] and not redis.call('ZSCORE', u.key.idx .. 'reviews', name) then
    staged.add(u.key.idx .. 'reviews', u.now + REVIEW_MS, name)
  end
  u.reviewed[name] = true
  return till
end

-- A new one, tentative.
function resources.hold(u, name, holder, step, units, what)
  local till = resources.tentative_until(u, name, holder)
  resources.put_holder(u, name, holder, { till, step, units, call.next_seq(u), 0, what, {} })
end

function resources.drop_holder(u, name, holder)
  resources.put_holder(u, name, holder, false)
  flush.staged(u).cut(u.key.idx .. 'tentative', name .. '\0' .. holder)
  flush.staged(u).cut(u.key.idx .. 'to_cancel', name .. '\0' .. holder)
end

-- It was looked at: it runs.
function resources.confirm(u, name, holder)
  local row = resources.holder(u, name, holder)
  flush.staged(u).cut(u.key.idx .. 'tentative', name .. '\0' .. holder)
  if not row or row[1] == 0 then return end
  row[1] = 0
  resources.put_holder(u, name, holder, row)
end

-- All of them, also as this call has changed them: [holder, row] each.
function resources.all_holders(u, name)
  local key, list = resources.holders_key(u, name), {}
  local function open(bundle)
    for _, each in ipairs(bundle and bundles.holders(u, bundle) or {}) do
      list[#list + 1] = { each, resources.holder(u, name, each) }
    end
  end
  local stored = redis.call('HGETALL', key)
  for place = 1, #stored, 2 do
    local kind = string.sub(stored[place], 1, 1)
    if kind == '+' then
      open(bundles.get(u, name, string.sub(stored[place], 2)))
    elseif kind ~= '=' then
      local row = resources.holder(u, name, stored[place])
      if row then list[#list + 1] = { stored[place], row } end
    end
  end
  for _, bundle in ipairs(bundles.fresh(u, name)) do open(bundle) end
  for _, each in pairs(u.holders_new or {}) do
    if each[1] == name and redis.call('HEXISTS', key, each[2]) == 0 and u.holders_met[name .. '\0' .. each[2]] then
      list[#list + 1] = { each[2], u.holders_met[name .. '\0' .. each[2]] }
    end
  end
  return list
end

-- ---- Waiters: [token, begins an attempt, cost | estimate, when the rate has room or 0, execution]

function resources.wait(u, name, waiter, row)
  local staged = flush.staged(u)
  resources.set(u, waiters_key(u, name), waiter, cmsgpack.pack(row))
  staged.add(waiting_key(u, name), call.next_seq(u), waiter)
  staged.add(u.key.idx .. 'waited', 0, name)
  if row[4] ~= 0 then resources.look_at(u, name, row[4]) end
end

-- Those whose names begin so, of which somebody waits for.
function resources.waited_of(u, prefix)
  return redis.call('ZRANGE', u.key.idx .. 'waited', '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX')
end

function resources.is_waiting(u, name, waiter, token)
  local key = waiters_key(u, name)
  local text = redis.call('HGET', key, waiter)
  return text ~= false and decode(key, text)[1] == token
end

-- Those of them that still wait under that token are taken out.
function resources.forget_waiter(u, name, waiter, token)
  local key = waiters_key(u, name)
  local text = redis.call('HGET', key, waiter)
  if not text or decode(key, text)[1] ~= token then return false end
  resources.delete(u, key, waiter)
  flush.staged(u).cut(waiting_key(u, name), waiter)
  u.forgotten = u.forgotten or {}
  u.forgotten[name] = (u.forgotten[name] or 0) + 1
  if resources.count_waiters(u, name) <= u.forgotten[name] then
    flush.staged(u).cut(u.key.idx .. 'waited', name)
    flush.staged(u).cut(u.key.idx .. 'wake', name)
  end
  return true
end

function resources.count_waiters(u, name)
  return redis.call('ZCARD', waiting_key(u, name))
end

-- The first of them: [waiter, row] each.
function resources.waiters(u, name)
  local key, list = waiters_key(u, name), {}
  local members = redis.call('ZRANGE', waiting_key(u, name), 0, LOOKS_MAX - 1)
  if #members == 0 then return list end
  local rows = redis.call('HMGET', key, unpack(members))
  for place, member in ipairs(members) do
    if rows[place] then list[#list + 1] = { member, decode(key, rows[place]) } end
  end
  return list
end

-- ---- Who is to be woken

-- It may have room by then. An earlier time stands.
function resources.look_at(u, name, at)
  u.looks = u.looks or {}
  if u.looks[name] == nil or at < u.looks[name] then u.looks[name] = at end
end

-- Something was given back.
function resources.made_room(u, name)
  if resources.count_waiters(u, name) > 0 then resources.look_at(u, name, u.now) end
end

function resources.first_look(u)
  return tonumber(redis.call('ZRANGE', u.key.idx .. 'wake', 0, 0, 'WITHSCORES')[2] or 0)
end

function resources.has_lapsed(u)
  for _, index in ipairs({ 'tentative', 'to_cancel', 'quotas_to_sync', 'announcements' }) do
    local first = redis.call('ZRANGE', u.key.idx .. index, 0, 0, 'WITHSCORES')
    if first[2] and tonumber(first[2]) <= u.now then return true end
  end
  return false
end

-- Looks at those that may have room: [name, [waiter, token] of those who can be admitted together] each. They wait on until they are
-- said to be woken.
function resources.wakeable(u, max)
  local found, left, told = redis.call('ZRANGE', u.key.idx .. 'wake', '-inf', u.now, 'BYSCORE', 'LIMIT', 0, LOOKS_MAX), max, {}
  local is_more = #found == LOOKS_MAX
  for _, name in ipairs(found) do
    local waiters = resources.waiters(u, name)
    local kind = string.sub(name, 1, 1)
    local wakeable, retry_at = {}, 0
    if #waiters > 0 then
      local module = kind == 'q' and quotas or budgets
      wakeable, retry_at = module.wakeable(u, name, waiters)
    end
    local rows = {}
    for _, waiter in ipairs(wakeable) do
      if left == 0 then
        is_more = true
        break
      end
      left = left - 1
      rows[#rows + 1] = { waiter[1], waiter[2][1] }
    end
    if #rows > 0 then told[#told + 1] = { name, rows } end
    -- Until those are known to be woken, and as long as there is room for others, it is looked at again.
    local again = #rows > 0 and u.now + SWEEP_MS or retry_at
    if #rows < #wakeable then again = u.now end
    if again > 0 then flush.staged(u).add(u.key.idx .. 'wake', again, name) else flush.staged(u).cut(u.key.idx .. 'wake', name) end
  end
  return told, is_more
end

-- ---- Writing

function resources.flush(u)
  if u.holders_new then
    for _, each in pairs(u.holders_new) do
      local row, key = u.holders_met[each[1] .. '\0' .. each[2]], resources.holders_key(u, each[1])
      if row then resources.set(u, key, each[2], cmsgpack.pack(row)) else resources.delete(u, key, each[2]) end
    end
    u.holders_new = nil
  end
  bundles.stage(u)
  if u.looks then
    for name, at in pairs(u.looks) do
      local known = tonumber(redis.call('ZSCORE', u.key.idx .. 'wake', name) or '')
      if known == nil or at < known then flush.staged(u).add(u.key.idx .. 'wake', at, name) end
    end
    u.looks = nil
  end
  quotas.stage(u)
  budgets.stage(u)
  flush.run(u)
end
