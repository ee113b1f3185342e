--- Changes a budget, as far as its settings are stated. Answers it, or nothing, and what follows elsewhere, or ''.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args id: string, namespace: string, stated: string[], label: string, limits: [dimension: string, soft: number, hard: number][], rule: string, everyMs: int
-- @reply [budget: unknown[], announcement: string]
-- @errors corruption schema_mismatch
return function(u, a)
  local b = budgets.get(u, a[1], a[2])
  if not b then return { {}, '' } end
  local row = b.row
  local before, every = room.breach(row[B.limits], b.used), row[B.every]
  for _, field in ipairs(a[3]) do
    if field == 'label' then row[B.label] = a[4]
    elseif field == 'limits' then row[B.limits] = a[5]
    elseif field == 'onHardBreach' then row[B.rule] = a[6]
    elseif field == 'resetPeriodMs' then row[B.every] = a[7] end
  end
  if row[B.every] ~= every then
    row[B.next] = row[B.every] == 0 and 0 or u.now + row[B.every]
    budgets.schedule(u, b)
  end
  budgets.touch(b)
  resources.made_room(u, resources.of_budget(a[1]))
  local said = budgets.announce(u, b, before)
  resources.flush(u)
  return { budgets.tell(u, b), said }
end
