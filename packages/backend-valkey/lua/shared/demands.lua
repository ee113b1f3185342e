-- What executions ask of quotas and budgets, and what they hold of them. These live in other partitions: see `resources`. The step
-- in which a lease ends leaves a message that gives back what was held under it, [namespace, execution, lease, 1: with its units,
-- quotas as [id, key], budgets, line, waiter]; the step in which a refused head goes another way one that takes its waiter out.

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

local function whole(u, x)
  return u.key.tag .. ':' .. record.id(u, x)
end

local function leave(u, x, lease, back, quotas, budgets, waiter)
  local d = x[X.demands]
  outbox.put(u, { 'g', '', '', 0, 0, 0, 0, {
    routes.of(u, x[X.rid]).ns, whole(u, x), lease, back, quotas, budgets, d[D.line], waiter,
  } })
end

local function give_back(u, x, d)
  local quotas, budgets = {}, {}
  for place, quota in ipairs(d[D.quotas]) do quotas[place] = { quota[1], quota[2] } end
  for place, budget in ipairs(d[D.budgets]) do budgets[place] = budget[1] end
  if d[D.uses] ~= 0 then
    for _, use in ipairs(d[D.uses]) do quotas[#quotas + 1] = { use[1], use[2] } end
  end
  leave(u, x, d[D.lease], d[D.back], quotas, budgets, '')
  d[D.lease], d[D.back], d[D.uses] = '', 0, 0
end

local function forget_waiter(u, x, d)
  local refused = d[D.refused]
  d[D.refused] = 0
  local quotas = refused[1] == 'q' and { { refused[2], refused[3] } } or {}
  leave(u, x, '', 0, quotas, refused[1] == 'b' and { refused[2] } or {}, refused[5])
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
