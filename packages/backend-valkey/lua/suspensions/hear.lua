--- Tells an execution how a child has ended. Where it waits for that, the condition and its state come along, to be judged first:
-- `verdict` is the revision, or 0, the state that it leads to, whether the condition holds by it, and what has counted.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, execution: string, child: string, generation: int, outcome: string, verdict: [revision: int, state: string, holds: boolean, signals: int[], ends: [id: string, generation: int, outcome: string][]]
-- @reply unknown[]
-- @errors corruption schema_mismatch
local function waits_for(doc, child)
  for _, id in ipairs(doc[5]) do
    if id == child then return true end
  end
  return false
end

return function(u, a)
  local x, verdict = record.get(u, a[2]), a[6]
  if not x or routes.of(u, x[X.rid]).ns ~= a[1] or family.knows(u, x, a[3], a[4]) then return { 'heard' } end
  local doc = suspending.stands(x) and suspending.read(u, x)
  if doc and waits_for(doc, a[3]) then
    if verdict[1] ~= x[X.waits][V.revision] then return { 'judge', x[X.waits][V.revision] }, { doc[2], doc[3] } end
    suspending.count(u, x, doc, { verdict[2], verdict[4], verdict[5] })
    if verdict[3] then suspending.resume(u, x, 'c', doc) end
  end
  family.note_end(u, x, a[3], a[4], a[5])
  flush.run(u)
  return { 'heard' }
end
