-- Quotas. Settings have a home, the partition of the empty key, and a copy of the same version in each partition of the family, which
-- what counts there goes by: see `layouts.mjs`. Of each key that is in use [slots, steps of its
-- window, version of the settings under which these were looked at last].

-- Changes of its window that a quota remembers: units of a key that nobody asked for since may count for longer after more of them.
local CHANGES_KEPT = 4
local ALL = 9007199254740991

local function settings_key(u, id)
  return u.key.root .. ':quota:' .. u.key.tag .. ':' .. id
end

local function count_key(u, id, key)
  return u.key.root .. ':quotakey:' .. u.key.tag .. ':' .. id .. '/' .. key
end

function quotas.list_key(u, namespace)
  return u.key.idx .. 'quotas:' .. namespace
end

-- The settings as they stand here, or nil.
function quotas.settings(u, id)
  local text = redis.call('GET', settings_key(u, id))
  return text and resources.decode(settings_key(u, id), text) or nil
end

function quotas.put_settings(u, id, settings)
  local writes = flush.staged(u).writes
  writes[#writes + 1] = settings_key(u, id)
  writes[#writes + 1] = cmsgpack.pack(settings)
end

-- What is counted of a key.
function quotas.count(u, id, key)
  u.counted = u.counted or {}
  local name = resources.of_quota(id, key)
  local count = u.counted[name]
  if count == nil then
    local text = redis.call('GET', count_key(u, id, key))
    count = text and resources.decode(count_key(u, id, key), text) or { 0, {} }
    count.key, count.is_stored = count_key(u, id, key), text and true or false
    u.counted[name] = count
  end
  return count
end

-- 0: it has no rate.
function quotas.window(settings)
  return settings[Q.units] > 0 and settings[Q.window] or 0
end

-- What counts no more under the old window is not to count under the new one. Nobody knows here which keys are in use, so each
-- of them forgets when it is looked at next.
function quotas.note_window(u, settings, old)
  local changes = {}
  for change in string.gmatch(settings[Q.past], '%S+') do changes[#changes + 1] = change end
  if #changes == CHANGES_KEPT then table.remove(changes, 1) end
  local floor = old == 0 and ALL or math.max(0, room.last_over(old, u.now))
  changes[#changes + 1] = string.format('%d=%d', settings[Q.version], floor)
  settings[Q.past] = table.concat(changes, ' ')
end

function quotas.forget(version, past, count)
  local seen = count[3] or 0
  if seen >= version then return end
  local floor = -1
  for by, last in string.gmatch(past, '(%d+)=(%d+)') do
    if tonumber(by) > seen then floor = math.max(floor, tonumber(last)) end
  end
  if floor >= 0 then count[2] = room.after(count[2], floor) end
  count[3] = version
end

local function touch(count)
  count.is_dirty = true
end

-- Its units that still count under these settings.
function quotas.units(u, settings, count)
  if settings[Q.units] == 0 then return 0 end
  quotas.forget(settings[Q.version], settings[Q.past], count)
  local live, sum = room.live(count[2], settings[Q.window], u.now)
  if #live < #count[2] then count[2] = live end
  return sum
end

local function take_units(u, settings, count, units)
  if settings[Q.units] == 0 or units == 0 then return 0 end
  local at, steps = room.step_of(u.now, settings[Q.window]), count[2]
  local place = #steps - 1
  -- Steps of another window may be later.
  while place > 0 and steps[place] > at do place = place - 2 end
  if place > 0 and steps[place] == at then
    steps[place + 1] = steps[place + 1] + units
  else
    table.insert(steps, place + 2, at)
    table.insert(steps, place + 3, units)
  end
  return at
end

-- Where no attempt began, units go back to the step that they came from.
local function units_back(count, step, units, is_wished)
  if not is_wished or units == 0 then return end
  for place = 1, #count[2], 2 do
    if count[2][place] == step then count[2][place + 1] = math.max(0, count[2][place + 1] - units) end
  end
end

-- Takes a slot, and units for an attempt that begins; answers what is missing, or false.
function quotas.take(u, id, key, settings, holder, cost, begins)
  local name, count = resources.of_quota(id, key), quotas.count(u, id, key)
  if resources.holder(u, name, holder) then return false end
  local short = room.of_quota(settings, count[1], quotas.units(u, settings, count), cost, begins)
  if short then return short end
  touch(count)
  count[1] = count[1] + 1
  local step = begins and take_units(u, settings, count, cost) or 0
  resources.hold(u, name, holder, step, begins and cost or 0, 1)
  return false
end

-- The same for the first of these that there is room for, as one bundle: [number of the lease, cost, begins] each. Answers for how
-- many; 0 where they are not alike, or too few: then each is taken for itself.
function quotas.take_together(u, id, key, settings, origin, ids, items)
  local name, cost, begins = resources.of_quota(id, key), items[1] and items[1][2], items[1] and items[1][3]
  for _, item in ipairs(items) do
    if item[2] ~= cost or item[3] ~= begins then return 0 end
  end
  if not bundles.may_join(u, name, origin, items) then return 0 end
  local count, taken = quotas.count(u, id, key), 0
  local used = quotas.units(u, settings, count)
  while taken < #items and not room.of_quota(settings, count[1] + taken, used + taken * cost, cost, begins) do taken = taken + 1 end
  if taken < 2 then return 0 end
  touch(count)
  count[1] = count[1] + taken
  local step = begins and take_units(u, settings, count, taken * cost) or 0
  bundles.hold(u, name, origin, ids, items, taken, step, begins and cost or 0, 1)
  return taken
end

-- A slot by hand, under a key of its own. Answers the word for it, and when the rate has room.
function quotas.take_by_hand(u, id, key, settings, holder, hand, cost)
  local name, count = resources.of_quota(id, key), quotas.count(u, id, key)
  local row = resources.holder(u, name, holder)
  if row and row[7][hand] then return 'already_acquired', 0 end
  local short = room.of_quota(settings, count[1], quotas.units(u, settings, count), cost, true)
  if short then
    return 'quota_exceeded', short == 'r' and room.retry_at(settings[Q.units], settings[Q.window], count[2], cost, u.now) or 0
  end
  touch(count)
  count[1] = count[1] + 1
  take_units(u, settings, count, cost)
  if not row then
    resources.hold(u, name, holder, 0, 0, 0)
    row = resources.holder(u, name, holder)
  end
  row[6] = row[6] + 1
  row[7][hand] = 1
  resources.put_holder(u, name, holder, row)
  return 'acquired', 0
end

function quotas.let_go(u, id, key, holder, hand)
  local name, count = resources.of_quota(id, key), quotas.count(u, id, key)
  local row = resources.holder(u, name, holder)
  if not row or not row[7][hand] then return false end
  touch(count)
  count[1] = math.max(0, count[1] - 1)
  row[6] = row[6] - 1
  row[7][hand] = nil
  if row[6] > 0 then resources.put_holder(u, name, holder, row) else resources.drop_holder(u, name, holder) end
  resources.made_room(u, name)
  return true
end

-- All that it holds of the key. Once is as good as twice.
function quotas.give_back(u, id, key, holder, with_units)
  local name = resources.of_quota(id, key)
  local row = resources.holder(u, name, holder)
  if not row then return false end
  local count = quotas.count(u, id, key)
  touch(count)
  count[1] = math.max(0, count[1] - row[6])
  units_back(count, row[2], row[3], with_units)
  resources.drop_holder(u, name, holder)
  resources.made_room(u, name)
  return true
end

-- The same for many of one origin: {UUID, number of its lease, …}.
function quotas.give_back_all(u, id, key, origin, with_units, leases)
  local name, is_any = resources.of_quota(id, key), false
  for at = 1, #leases, 2 do
    local bundle, place = bundles.find_of(u, name, origin, leases[at + 1])
    if bundle then
      local count, row = quotas.count(u, id, key), bundle.row
      touch(count)
      count[1] = math.max(0, count[1] - row[5])
      units_back(count, row[2], row[3], with_units)
      bundles.take_out(u, bundle, place)
      is_any = true
    else
      quotas.give_back(u, id, key, bundles.holder(origin, leases[at], leases[at + 1]), with_units)
    end
  end
  if is_any then resources.made_room(u, name) end
end

-- The holder that has its slot for longest and was not asked to go yet.
function quotas.oldest(u, name)
  local oldest
  for _, each in ipairs(resources.all_holders(u, name)) do
    if each[2][5] == 0 and (not oldest or each[2][4] < oldest[2][4]) then oldest = each end
  end
  return oldest
end

-- Of those who wait, who can be admitted together, and when it is worth another look; 0: when something happens.
function quotas.wakeable(u, name, waiters)
  local _, id, key = resources.read_name(name)
  local settings = quotas.settings(u, id)
  if not settings then return {}, 0 end
  local count, list, retry_at = quotas.count(u, id, key), {}, 0
  local held, used = count[1], quotas.units(u, settings, count)
  for _, waiter in ipairs(waiters) do
    local begins, cost = waiter[2][2], waiter[2][3]
    local short = room.of_quota(settings, held, used, cost, begins)
    if not short then
      list[#list + 1] = waiter
      held = held + 1
      if begins then used = used + cost end
    elseif short == 'r' then
      local at = room.retry_at(settings[Q.units], settings[Q.window], count[2], cost, u.now)
      if at > 0 and (retry_at == 0 or at < retry_at) then retry_at = at end
    end
  end
  return list, retry_at
end

-- A key that nothing is counted of any more is dropped.
function quotas.stage(u)
  for _, count in pairs(u.counted or {}) do
    if count.is_dirty then
      local staged = flush.staged(u)
      if count[1] == 0 and #count[2] == 0 then
        if count.is_stored then staged.unlinks[#staged.unlinks + 1] = count.key end
      else
        staged.writes[#staged.writes + 1] = count.key
        staged.writes[#staged.writes + 1] = cmsgpack.pack({ count[1], count[2], count[3] or 0 })
      end
    end
  end
  u.counted = nil
end

-- Whether its slots are as many as its holders have: set right where they are not. Answers what was found, or nil.
function quotas.recount(u, id, key, held)
  local count, settings = quotas.count(u, id, key), quotas.settings(u, id)
  -- Units that count no more are dropped, and with the last of them the key.
  if settings and #count[2] > 0 then
    local before = #count[2]
    if settings[Q.units] > 0 then quotas.units(u, settings, count) else count[2] = {} end
    if #count[2] < before then count.is_dirty = true end
  end
  if count[1] == held then return nil end
  local finding = string.format('%d slots were counted, and %d are held', count[1], held)
  count[1], count.is_dirty = held, true
  resources.made_room(u, resources.of_quota(id, key))
  return finding
end
