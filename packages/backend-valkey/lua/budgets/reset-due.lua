--- Begins the periods that are due: one for each budget, however many were missed. Answers [id, next reset] of each, whether there are
-- more, when the next is due (0: none), and what follows elsewhere.
-- @flags allow-oom
-- @brings nothing
-- @args max: int
-- @reply [reset: [id: string, nextMs: number][], more: boolean, nextDueMs: number, announcements: string[]]
-- @errors corruption schema_mismatch
return function(u, a)
  local index, told, said = u.key.idx .. 'resets_due', {}, {}
  local ids = redis.call('ZRANGE', index, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, a[1] + 1)
  for place = 1, math.min(#ids, a[1]) do
    local b = budgets.get(u, ids[place])
    if b and b.row[B.every] > 0 and b.row[B.next] > 0 and b.row[B.next] <= u.now then
      local every, due = b.row[B.every], b.row[B.next]
      local started = due + math.floor((u.now - due) / every) * every
      b.row[B.next] = started + every
      said[#said + 1] = budgets.begin_period(u, b, started)
      budgets.schedule(u, b)
      told[#told + 1] = { ids[place], b.row[B.next] }
    elseif b then budgets.schedule(u, b)
    else flush.staged(u).cut(index, ids[place]) end
  end
  resources.flush(u)
  return { told, #ids > a[1], tonumber(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2] or 0), said }
end
