-- Budgets: a record each, see `layouts.mjs`, with the sums of what is used and reserved; the reservations are those of its holders,
-- the charges of the last day a hash of their own, `<execution>|<key>` → [time, period, amounts], with an index by time. Older
-- charges of the period are folded into one sum, so that what is used can be counted again at any time.

local REPORT_MS = 86400000
local TRIM_MAX = 100

local function record_key(u, id)
  return u.key.root .. ':budget:' .. u.key.tag .. ':' .. id
end

local function part_key(u, id, part)
  return u.key.root .. ':budget:' .. u.key.tag .. ':' .. id .. ':' .. part
end
budgets.part_key = part_key

function budgets.list_key(u, namespace)
  return u.key.idx .. 'budgets:' .. namespace
end

-- Amounts as they come along and are stored: [dimension, amount, …].
function budgets.amounts(list)
  local amounts = {}
  for place = 1, #list, 2 do
    if type(list[place]) ~= 'string' or type(list[place + 1]) ~= 'number' then call.refuse('invalid_arguments', 'amounts') end
    amounts[list[place]] = list[place + 1]
  end
  return amounts
end

function budgets.list(amounts)
  local list = {}
  for name, amount in pairs(amounts) do
    if amount ~= 0 then
      list[#list + 1] = name
      list[#list + 1] = amount
    end
  end
  return list
end

local function add(sums, amounts, factor)
  for name, amount in pairs(amounts) do
    local sum = (sums[name] or 0) + factor * amount
    sums[name] = sum > 0 and sum or nil
  end
end
budgets.add = add

-- The budget, its sums as tables, or nil; that of another namespace too, unless it is asked for any.
function budgets.get(u, id, namespace)
  u.budgets_met = u.budgets_met or {}
  local b = u.budgets_met[id]
  if b == nil then
    local text = redis.call('GET', record_key(u, id))
    b = false
    if text then
      b = { id = id, row = resources.decode(record_key(u, id), text) }
      b.used, b.reserved, b.base = budgets.amounts(b.row[B.used]), budgets.amounts(b.row[B.reserved]), budgets.amounts(b.row[B.base])
    end
    u.budgets_met[id] = b
  end
  if not b or (namespace and b.row[B.ns] ~= namespace) then return nil end
  return b
end

function budgets.create(u, id, row)
  local b = { id = id, row = row, used = {}, reserved = {}, base = {}, is_dirty = true }
  u.budgets_met = u.budgets_met or {}
  u.budgets_met[id] = b
  flush.staged(u).add(budgets.list_key(u, row[B.ns]), row[B.created], id)
  return b
end

function budgets.touch(b)
  b.is_dirty = true
end

-- As it is told: the record, its sums, and how many wait.
function budgets.tell(u, b)
  return { b.id, b.row, budgets.list(b.used), budgets.list(b.reserved), room.breach(b.row[B.limits], b.used),
    resources.count_waiters(u, resources.of_budget(b.id)) }
end

function budgets.reserve(u, b, holder, estimate)
  local name = resources.of_budget(b.id)
  if resources.holder(u, name, holder) then return false end
  local short = room.of_budget(b.row[B.limits], b.used, b.reserved, estimate)
  if short then return short end
  if next(estimate) == nil then return false end
  budgets.touch(b)
  add(b.reserved, estimate, 1)
  resources.hold(u, name, holder, 0, 0, budgets.list(estimate))
  return false
end

local function are_alike(one, other)
  if #one ~= #other then return false end
  for place = 1, #one do
    if one[place] ~= other[place] then return false end
  end
  return true
end

-- The estimates of the first of these that there is room for, as one bundle: [number of the lease, begins, estimate] each. Answers
-- for how many; 0 where they are not alike, or too few: then each is reserved for itself.
function budgets.reserve_together(u, b, origin, ids, items)
  local name = resources.of_budget(b.id)
  for _, item in ipairs(items) do
    if not are_alike(item[3], items[1][3]) then return 0 end
  end
  local estimate = items[1] and budgets.amounts(items[1][3]) or {}
  if next(estimate) == nil or not bundles.may_join(u, name, origin, items) then return 0 end
  local reserved, taken = {}, 0
  add(reserved, b.reserved, 1)
  while taken < #items and not room.of_budget(b.row[B.limits], b.used, reserved, estimate) do
    add(reserved, estimate, 1)
    taken = taken + 1
  end
  if taken < 2 then return 0 end
  budgets.touch(b)
  b.reserved = reserved
  bundles.hold(u, name, origin, ids, items, taken, 0, 0, budgets.list(estimate))
  return taken
end

function budgets.give_back(u, id, holder)
  local name = resources.of_budget(id)
  local row, b = resources.holder(u, name, holder), budgets.get(u, id)
  if not row or not b then return false end
  budgets.touch(b)
  add(b.reserved, budgets.amounts(row[6]), -1)
  resources.drop_holder(u, name, holder)
  resources.made_room(u, name)
  return true
end

-- The same for many of one origin: {UUID, number of its lease, …}.
function budgets.give_back_all(u, id, origin, leases)
  local name, b = resources.of_budget(id), budgets.get(u, id)
  if not b then return end
  local is_any, amounts = false, {}
  for at = 1, #leases, 2 do
    local bundle, place = bundles.find_of(u, name, origin, leases[at + 1])
    if bundle then
      budgets.touch(b)
      amounts[bundle] = amounts[bundle] or budgets.amounts(bundle.row[5])
      add(b.reserved, amounts[bundle], -1)
      bundles.take_out(u, bundle, place)
      is_any = true
    else
      budgets.give_back(u, id, bundles.holder(origin, leases[at], leases[at + 1]))
    end
  end
  if is_any then resources.made_room(u, name) end
end

-- ---- Charges

-- Whether the same was charged within a day.
function budgets.is_known(u, b, field)
  local at = redis.call('ZSCORE', part_key(u, b.id, 'reported'), field)
  if b.fresh and b.fresh[field] then return true end
  return at and tonumber(at) + REPORT_MS > u.now
end

local function note(u, b, field, amounts)
  local staged, reports = flush.staged(u), part_key(u, b.id, 'reports')
  b.fresh = b.fresh or {}
  b.fresh[field] = true
  staged.hashes[reports] = staged.hashes[reports] or {}
  local fields = staged.hashes[reports]
  fields[#fields + 1] = field
  fields[#fields + 1] = cmsgpack.pack({ u.now, b.row[B.period], budgets.list(amounts) })
  staged.add(part_key(u, b.id, 'reported'), u.now, field)
end

-- Charges of more than a day ago are folded.
local function trim(u, b)
  local index, reports = part_key(u, b.id, 'reported'), part_key(u, b.id, 'reports')
  local old = redis.call('ZRANGE', index, '-inf', u.now - REPORT_MS, 'BYSCORE', 'LIMIT', 0, TRIM_MAX)
  if #old == 0 then return end
  for place, text in ipairs(redis.call('HMGET', reports, unpack(old))) do
    local row = text and resources.decode(reports, text)
    if row and row[2] == b.row[B.period] then add(b.base, budgets.amounts(row[3]), 1) end
    if not b.fresh[old[place]] then
      local staged = flush.staged(u)
      staged.dels[reports] = staged.dels[reports] or {}
      table.insert(staged.dels[reports], old[place])
      staged.cut(index, old[place])
    end
  end
end

-- The first dimension that it would be too much for, and what that would come to; or nil.
function budgets.overflow(b, amounts, max)
  local first
  for name, amount in pairs(amounts) do
    if (b.used[name] or 0) + amount > max and (first == nil or name < first) then first = name end
  end
  return first, first and (b.used[first] or 0) + amounts[first]
end

-- What was spent comes off what the execution holds, as far as that reaches.
function budgets.charge(u, b, execution, lease, field, amounts)
  local before = room.breach(b.row[B.limits], b.used)
  budgets.touch(b)
  add(b.used, amounts, 1)
  note(u, b, field, amounts)
  local name = resources.of_budget(b.id)
  local holder = budgets.holder_of(u, name, execution, lease)
  if holder then
    local row = resources.holder(u, name, holder)
    local left = budgets.amounts(row[6])
    for dimension, amount in pairs(amounts) do
      local taken = math.min(left[dimension] or 0, amount)
      if taken > 0 then
        add(left, { [dimension] = taken }, -1)
        add(b.reserved, { [dimension] = taken }, -1)
      end
    end
    row[6] = budgets.list(left)
    resources.put_holder(u, name, holder, row)
  end
  return budgets.announce(u, b, before)
end

-- What the execution holds under the lease that it reports by, or else under another.
function budgets.holder_of(u, name, execution, lease)
  local holder = execution .. '|' .. lease
  if resources.holder(u, name, holder) then return holder end
  for _, each in ipairs(resources.all_holders(u, name)) do
    if string.sub(each[1], 1, #execution + 1) == execution .. '|' then return each[1] end
  end
  return nil
end

-- ---- What follows elsewhere, in the partition of the feed and in that of a job: written down here, and carried there, whoever dies
-- meanwhile. `job`: the rule that a job is to carry out, or ''.

local WORDS = { 'soft_breach', 'hard_breach' }
local CARRY_MS = 1000

function budgets.say(u, b, change, job)
  b.row[B.said] = b.row[B.said] + 1
  local text = string.format('%d', b.row[B.said]) .. '|' .. b.id .. '|' .. change .. '|' .. string.format('%d', b.row[B.period])
    .. '|' .. job .. '|' .. b.row[B.ns]
  flush.staged(u).add(u.key.idx .. 'announcements', u.now + CARRY_MS, text)
  return text
end

-- Answers what follows, or ''.
function budgets.announce(u, b, before)
  local level = room.breach(b.row[B.limits], b.used)
  if level <= before then return '' end
  local word = WORDS[level]
  local has_job = word == 'hard_breach' and b.row[B.rule] ~= 'block_new'
  return budgets.say(u, b, word, has_job and b.row[B.rule] or '')
end

-- ---- Periods

function budgets.schedule(u, b)
  local index = u.key.idx .. 'resets_due'
  if b.row[B.next] > 0 then flush.staged(u).add(index, b.row[B.next], b.id) else flush.staged(u).cut(index, b.id) end
end

function budgets.begin_period(u, b, started)
  budgets.touch(b)
  b.row[B.period] = b.row[B.period] + 1
  b.row[B.started] = started
  b.used, b.base = {}, {}
  resources.made_room(u, resources.of_budget(b.id))
  return budgets.say(u, b, 'reset', '')
end

function budgets.wakeable(u, name, waiters)
  local _, id = resources.read_name(name)
  local b = budgets.get(u, id)
  if not b then return {}, 0 end
  local reserved, list = {}, {}
  add(reserved, b.reserved, 1)
  for _, waiter in ipairs(waiters) do
    local estimate = budgets.amounts(waiter[2][3])
    if not room.of_budget(b.row[B.limits], b.used, reserved, estimate) then
      list[#list + 1] = waiter
      add(reserved, estimate, 1)
    end
  end
  return list, 0
end

function budgets.stage(u)
  for id, b in pairs(u.budgets_met or {}) do
    if b and b.is_dirty then
      if b.fresh then trim(u, b) end
      b.row[B.used], b.row[B.reserved], b.row[B.base] = budgets.list(b.used), budgets.list(b.reserved), budgets.list(b.base)
      local writes = flush.staged(u).writes
      writes[#writes + 1] = record_key(u, id)
      writes[#writes + 1] = cmsgpack.pack(b.row)
      b.is_dirty = false
    end
  end
end

local function are_same(one, other)
  for name, amount in pairs(one) do
    if (other[name] or 0) ~= amount then return false end
  end
  for name, amount in pairs(other) do
    if (one[name] or 0) ~= amount then return false end
  end
  return true
end

local REPORTS_MAX = 20000

-- What is used in the period, by its charges; nil where there are too many of them to be counted in one step.
local function used_by_charges(u, b)
  local reports = part_key(u, b.id, 'reports')
  if redis.call('HLEN', reports) > REPORTS_MAX then return nil end
  local used = {}
  add(used, b.base, 1)
  for _, text in ipairs(redis.call('HVALS', reports)) do
    local row = resources.decode(reports, text)
    if row[2] == b.row[B.period] then add(used, budgets.amounts(row[3]), 1) end
  end
  return used
end

-- Whether its sums are what its reservations and charges add up to: set right where they are not. Answers what was found, or nil.
function budgets.recount(u, id, reserved)
  local b = budgets.get(u, id)
  if not b then return nil end
  local used, finding = used_by_charges(u, b), nil
  if not are_same(reserved, b.reserved) then
    b.reserved, b.is_dirty = reserved, true
    finding = 'what is reserved was not what its reservations add up to'
    resources.made_room(u, resources.of_budget(id))
  end
  if used and not are_same(used, b.used) then
    b.used, b.is_dirty = used, true
    finding = 'what is used was not what its charges add up to'
    resources.made_room(u, resources.of_budget(id))
  end
  return finding
end
