-- What executions ask of quotas and budgets, and what they hold of them. These live in other partitions: see `resources`. The step
-- in which leases end leaves a message for each line that gives back what was held under them, [namespace, quotas as [id, key],
-- budgets, leases, line, waiter, one of the executions]; the step in which a refused head goes another way one that takes its waiter
-- out, without leases. Leases of the same beginning are together: [beginning, 1: with its units, {UUID, number of its lease, …}].

-- Whoever asked for a step in which leases end carries its messages itself. If it dies, others do after this.
local CARRY_MS = 1000
-- Leases of one message.
local LEASES_MAX = 256
local BASE, LEASE = 24, 36

-- As submissions bring it: [line, quotas, budgets].
function demands.read(asks)
  if type(asks) ~= 'table' or #asks ~= 3 or not lines.is_id(asks[1]) or type(asks[2]) ~= 'table' or type(asks[3]) ~= 'table' then
    call.refuse('invalid_arguments', 'demands')
  end
  for _, quota in ipairs(asks[2]) do
    if type(quota) ~= 'table' or type(quota[1]) ~= 'string' or type(quota[2]) ~= 'string' or type(quota[3]) ~= 'number' then
      call.refuse('invalid_arguments', 'a quota')
    end
  end
  for _, budget in ipairs(asks[3]) do
    if type(budget) ~= 'table' or type(budget[1]) ~= 'string' or type(budget[2]) ~= 'table' then
      call.refuse('invalid_arguments', 'a budget')
    end
  end
  return asks
end

-- Of a new execution.
function demands.begin(x, asks)
  x[X.waits] = x[X.waits] or false
  x[X.demands] = { asks[1], asks[2], asks[3], '', 0, 0, 0 }
end

function demands.open(x)
  if not x[X.demands] then
    x[X.waits] = x[X.waits] or false
    x[X.demands] = { '', {}, {}, '', 0, 0, 0 }
  end
  return x[X.demands]
end

-- Whether the attempt that it would be leased for begins with that.
function demands.begins(x)
  return x[X.att] ~= 'm' and x[X.att] ~= 'i'
end

-- A message that this step leaves, to which leases are added; of those that hold the same.
local function message(u, id, ns, quotas, budgets, line, waiter)
  local what = { ns, quotas, budgets, {}, line, waiter, u.key.tag .. ':' .. id }
  u.messages[#u.messages + 1] = what
  return what
end

local function add(what, id, lease, back)
  local base, groups = string.sub(lease, 1, BASE), what[4]
  local group = groups[#groups]
  if group == nil or group[1] ~= base or group[2] ~= back then
    group = { base, back, {} }
    groups[#groups + 1] = group
  end
  local leases = group[3]
  leases[#leases + 1] = id
  leases[#leases + 1] = tonumber(string.sub(lease, BASE + 1, LEASE), 16)
end

local function names_of(asks)
  local quotas, budgets = {}, {}
  for place, quota in ipairs(asks[D.quotas]) do quotas[place] = { quota[1], quota[2] } end
  for place, budget in ipairs(asks[D.budgets]) do budgets[place] = budget[1] end
  return quotas, budgets
end

-- What is asked is given back with others of its line. `asks`: at least the beginning of its demands.
function demands.give_back(u, ns, asks, id, lease, back)
  u.by_line = u.by_line or {}
  local name = asks[D.line] .. ns
  local what = u.by_line[name]
  if what == nil or what.count >= LEASES_MAX then
    local quotas, budgets = names_of(asks)
    what = message(u, id, ns, quotas, budgets, asks[D.line], '')
    what.count = 0
    u.by_line[name] = what
  end
  what.count = what.count + 1
  add(what, id, lease, back)
end

local function give_back(u, x, d)
  local ns, id = routes.of(u, x[X.rid]).ns, record.id(u, x)
  if d[D.uses] == 0 then
    demands.give_back(u, ns, d, id, d[D.lease], d[D.back])
  else
    local quotas, budgets = names_of(d)
    for _, use in ipairs(d[D.uses]) do quotas[#quotas + 1] = { use[1], use[2] } end
    add(message(u, id, ns, quotas, budgets, d[D.line], ''), id, d[D.lease], d[D.back])
  end
  d[D.lease], d[D.back], d[D.uses] = '', 0, 0
end

local function forget_waiter(u, x, d)
  local refused = d[D.refused]
  d[D.refused] = 0
  local quotas = refused[1] == 'q' and { { refused[2], refused[3] } } or {}
  local budgets = refused[1] == 'b' and { refused[2] } or {}
  message(u, record.id(u, x), routes.of(u, x[X.rid]).ns, quotas, budgets, d[D.line], refused[5])
end

-- Part of the flush: messages go to the outbox, or are told to a caller who carries them.
function demands.stage(u)
  for _, what in ipairs(u.messages) do
    what.count = nil
    local item = { 'g', '', '', 0, 0, 0, 0, what }
    if u.carries then
      u.carried[#u.carried + 1] = { outbox.put_for_caller(u, item, u.now + CARRY_MS), what }
    else
      outbox.put(u, item)
    end
  end
  u.messages, u.by_line = nil, nil
end

-- After each change of its state.
function demands.moved(u, x)
  local d = x[X.demands]
  if d[D.lease] ~= '' and x[X.phase] ~= 'a' then give_back(u, x, d) end
  if d[D.refused] ~= 0 and x[X.elig] ~= 'q' and x[X.elig] ~= 'b' then forget_waiter(u, x, d) end
end

-- It holds something under this lease from now on.
function demands.hold(x, lease)
  local d = x[X.demands]
  d[D.lease], d[D.back] = lease, 0
end

-- Its attempt takes slots by hand: noted before they are taken, so that its end gives them back.
function demands.use(u, x, attempt, id, key)
  transition.touch(u, x)
  local d = demands.open(x)
  d[D.lease] = attempt[A.lease]
  if d[D.uses] == 0 then d[D.uses] = {} end
  for _, use in ipairs(d[D.uses]) do
    if use[1] == id and use[2] == key then return end
  end
  table.insert(d[D.uses], { id, key })
end

-- Whether it runs under that lease.
function demands.is_live(x, lease)
  return x and x[X.phase] == 'a' and x[X.attempt][A.lease] == lease
end
