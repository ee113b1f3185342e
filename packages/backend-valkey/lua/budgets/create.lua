--- Makes a budget. Answers whether the id is taken, and what stands under it; `nextMs` is -1 where it follows from the period.
-- @brings submit
-- @args id: string, record: [ns: string, created: int, content: string, label: string, limits: [dimension: string, soft: number, hard: number][], rule: string, everyMs: int], nextMs: number
-- @reply [isNew: boolean, budget: unknown[]]
-- @errors corruption schema_mismatch
return function(u, a)
  local known = budgets.get(u, a[1])
  if known then return { false, budgets.tell(u, known) } end
  local row = a[2]
  row[B.created], row[B.period], row[B.started] = u.now, 1, u.now
  row[B.next] = row[B.every] == 0 and 0 or (a[3] >= 0 and a[3] or u.now + row[B.every])
  row[B.used], row[B.reserved], row[B.base], row[B.said] = {}, {}, {}, 0
  local b = budgets.create(u, a[1], row)
  budgets.schedule(u, b)
  resources.flush(u)
  return { true, budgets.tell(u, b) }
end
