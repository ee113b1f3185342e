-- Holders that were taken together: what a claim's call took of one resource for executions that ask the same. The hash of its
-- holders has `+<partition>|<beginning of the leases' ids>` → [till, step, units, order of the first, slots | amounts, number of the
-- first lease, flags], and `=<same>` → their UUIDs. A flag is 1 for as long as its holder is one of these: what changes for one of
-- them takes it out, and it goes, or is an entry of its own from then on. The last one takes the bundle along.

local UUID, LEASE, BASE = 36, 36, 24
-- A holder is `{<partition>}:<UUID>|<lease>`.
local BEHIND_TAG = 1 + UUID + LEASE
local SPAN_MAX = 1024
local HOLDS, HOLDS_NOT = 49, 48
local NOBODY = '------------------------------------'

-- Partition and beginning of the lease's id, and the number that it ends in; or nil.
local function split(holder)
  local length = #holder
  if length <= BEHIND_TAG or string.byte(holder, length - LEASE) ~= 124 then return nil end
  return string.sub(holder, 1, length - BEHIND_TAG) .. '|' .. string.sub(holder, length - LEASE + 1, length - LEASE + BASE),
    tonumber(string.sub(holder, length - LEASE + BASE + 1), 16)
end

local function remember(u, name, origin, row, ids)
  u.bundles = u.bundles or {}
  u.bundles[name] = u.bundles[name] or {}
  local bundle = row and { name = name, origin = origin, row = row, ids = ids, flags = { string.byte(row[7], 1, -1) } } or false
  u.bundles[name][origin] = bundle
  return bundle
end

local function read(u, name, origin, text)
  if not text then return remember(u, name, origin, false) end
  local key = resources.holders_key(u, name)
  local row = resources.decode(key, text)
  if #row ~= 7 or type(row[7]) ~= 'string' or #row[7] > SPAN_MAX then call.refuse('corruption', key) end
  return remember(u, name, origin, row)
end

-- The bundle of that origin, or false.
function bundles.get(u, name, origin)
  local known = u.bundles and u.bundles[name] and u.bundles[name][origin]
  if known ~= nil then return known end
  return read(u, name, origin, redis.call('HGET', resources.holders_key(u, name), '+' .. origin))
end

-- The bundle that the holder is in, and its place there; or nil.
function bundles.find(u, name, holder)
  local origin, number = split(holder)
  if number == nil then return nil end
  local bundle = bundles.get(u, name, origin)
  local place = bundle and number - bundle.row[6] + 1
  if place and bundle.flags[place] == HOLDS then return bundle, place end
  return nil
end

-- Those that this call has taken.
function bundles.fresh(u, name)
  local list = {}
  for _, bundle in pairs(u.bundles and u.bundles[name] or {}) do
    if bundle and bundle.is_new then list[#list + 1] = bundle end
  end
  return list
end

-- As the row of a holder of its own.
function bundles.row(bundle, place)
  local row = bundle.row
  local what = row[5]
  if type(what) == 'table' then
    what = {}
    for nth, each in ipairs(row[5]) do what[nth] = each end
  end
  return { row[1], row[2], row[3], row[4] + place - 1, 0, what, {} }
end

function bundles.take_out(u, bundle, place)
  bundle.flags[place] = HOLDS_NOT
  bundle.is_dirty = true
  u.bundles_dirty = true
end

-- Whether all are of one origin, in the order of their leases, so that they can be one bundle. Answers [origin, number of the
-- first lease, numbers]; or nil.
function bundles.may_join(u, name, list)
  if #list < 2 then return nil end
  local origin, first = split(list[1])
  if first == nil or bundles.get(u, name, origin) then return nil end
  local numbers, last = { first }, first
  for place = 2, #list do
    local its_origin, number = split(list[place])
    if its_origin ~= origin or number == nil or number <= last then return nil end
    numbers[place], last = number, number
  end
  if last - first >= SPAN_MAX then return nil end
  return { origin, first, numbers }
end

-- A new one, tentative, of the first so many.
function bundles.hold(u, name, joined, list, count, step, units, what)
  local origin, first, numbers = unpack(joined)
  local flags, ids = {}, {}
  for place = 1, numbers[count] - first + 1 do flags[place], ids[place] = HOLDS_NOT, NOBODY end
  for nth = 1, count do
    local place = numbers[nth] - first + 1
    flags[place] = HOLDS
    ids[place] = string.sub(list[nth], -UUID - 1 - LEASE, -LEASE - 2)
  end
  local order = call.next_seq(u)
  u.seq = u.seq + #flags
  local row = { resources.tentative_until(u, name, '+' .. origin), step, units, order, what, first, '' }
  local bundle = remember(u, name, origin, row, table.concat(ids))
  bundle.flags, bundle.is_dirty, bundle.is_new = flags, true, true
  u.bundles_dirty = true
end

-- The names of those that it still has.
function bundles.holders(u, bundle)
  local key = resources.holders_key(u, bundle.name)
  local ids = bundle.ids or redis.call('HGET', key, '=' .. bundle.origin)
  if not ids or #ids ~= UUID * #bundle.flags then call.refuse('corruption', key) end
  bundle.ids = ids
  local bar = string.find(bundle.origin, '|', 1, true)
  local tag, base, list = string.sub(bundle.origin, 1, bar - 1), string.sub(bundle.origin, bar + 1), {}
  for place, flag in ipairs(bundle.flags) do
    if flag == HOLDS then
      local id = string.sub(ids, UUID * (place - 1) + 1, UUID * place)
      list[#list + 1] = tag .. id .. '|' .. base .. string.format('%012x', bundle.row[6] + place - 1)
    end
  end
  return list
end

local function is_empty(bundle)
  for _, flag in ipairs(bundle.flags) do
    if flag == HOLDS then return false end
  end
  return true
end

function bundles.stage(u)
  if not u.bundles_dirty then return end
  u.bundles_dirty = nil
  for name, by_origin in pairs(u.bundles) do
    local key = resources.holders_key(u, name)
    for origin, bundle in pairs(by_origin) do
      if bundle and bundle.is_dirty then
        bundle.is_dirty = false
        if is_empty(bundle) then
          resources.delete(u, key, '+' .. origin)
          resources.delete(u, key, '=' .. origin)
          flush.staged(u).cut(u.key.idx .. 'tentative', name .. '\0+' .. origin)
        else
          bundle.row[7] = string.char(unpack(bundle.flags))
          resources.set(u, key, '+' .. origin, cmsgpack.pack(bundle.row))
          if bundle.is_new then resources.set(u, key, '=' .. origin, bundle.ids) end
          bundle.is_new = false
        end
      end
    end
  end
end
