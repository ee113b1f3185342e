-- Holders that were taken together: what a claim's call took of one resource for executions that ask the same. Their leases' ids
-- begin with the same 24 characters and end in a number each; these, behind their partition, are their origin. The hash of its
-- holders has `+<origin>` → [till, step, units, order of the first, slots | amounts, number of the first lease, flags], and
-- `=<origin>` → their UUIDs. A flag is 1 for as long as its holder is one of these: what changes for one of
-- them takes it out, and it goes, or is an entry of its own from then on. The last one takes the bundle along.

local UUID, LEASE, BASE = 36, 36, 24
-- A holder is `{<partition>}:<UUID>|<lease>`.
local BEHIND_TAG = 1 + UUID + LEASE
local SPAN_MAX = 1024
local HOLDS, HOLDS_NOT = 49, 48
local NOBODY = '------------------------------------'

-- Its origin, and the number of its lease; or nil.
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

-- As holders are named.
function bundles.holder(origin, id, number)
  local bar = #origin - BASE
  return string.sub(origin, 1, bar - 1) .. id .. string.sub(origin, bar) .. string.format('%012x', number)
end

function bundles.require_origin(origin)
  if string.byte(origin, #origin - BASE) ~= 124 then call.refuse('invalid_arguments', 'an origin') end
end

-- The bundle that the holder is in, and its place there; or nil.
function bundles.find(u, name, holder)
  local origin, number = split(holder)
  if number == nil then return nil end
  return bundles.find_of(u, name, origin, number)
end

function bundles.find_of(u, name, origin, number)
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

-- Whether these can be one bundle: [number of the lease, …] each, in their order.
function bundles.may_join(u, name, origin, items)
  if #items < 2 or bundles.get(u, name, origin) then return false end
  local last = -1
  for _, item in ipairs(items) do
    if item[1] <= last then return false end
    last = item[1]
  end
  return last - items[1][1] < SPAN_MAX
end

-- A new one, tentative, of the first so many; `ids` are their UUIDs, one behind the other.
function bundles.hold(u, name, origin, ids, items, count, step, units, what)
  local first, flags, parts = items[1][1], {}, {}
  local span = items[count][1] - first + 1
  for place = 1, span do flags[place] = span == count and HOLDS or HOLDS_NOT end
  if span == count then
    ids = string.sub(ids, 1, UUID * count)
  else
    for place = 1, span do parts[place] = NOBODY end
    for nth = 1, count do
      local place = items[nth][1] - first + 1
      flags[place], parts[place] = HOLDS, string.sub(ids, UUID * (nth - 1) + 1, UUID * nth)
    end
    ids = table.concat(parts)
  end
  local order = call.next_seq(u)
  u.seq = u.seq + span
  local row = { resources.tentative_until(u, name, '+' .. origin), step, units, order, what, first, '' }
  local bundle = remember(u, name, origin, row, ids)
  bundle.flags, bundle.is_dirty, bundle.is_new = flags, true, true
  u.bundles_dirty = true
end

-- The names of those that it still has.
function bundles.holders(u, bundle)
  local key = resources.holders_key(u, bundle.name)
  local ids = bundle.ids or redis.call('HGET', key, '=' .. bundle.origin)
  if not ids or #ids ~= UUID * #bundle.flags then call.refuse('corruption', key) end
  bundle.ids = ids
  local list = {}
  for place, flag in ipairs(bundle.flags) do
    if flag == HOLDS then
      local id = string.sub(ids, UUID * (place - 1) + 1, UUID * place)
      list[#list + 1] = bundles.holder(bundle.origin, id, bundle.row[6] + place - 1)
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
