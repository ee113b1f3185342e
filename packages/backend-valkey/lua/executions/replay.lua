--- Runs an ended solo execution again as its next generation, with another input where one is given. `hash` is that of the input
-- it was submitted with. A member is its flow's to replay: answered with the flow's id.
-- @flags
-- @repeat request
-- @brings submit
-- @args namespace: string, id: string, hasInput: boolean, input: int, hash: string, replaysMax: int
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.flow] ~= '' then return { 'member', x[X.flow] } end
  if x[X.phase] ~= 't' then return { 'replay_conflict' } end
  if x[X.replays] >= a[6] then return { 'max_replays_exceeded' } end
  local input
  if a[3] then input = call.bytes(u, a[4]) end
  reopen.clear(u, x, input, a[5])
  transition.runnable(u, x, reopen.pending(x))
  flush.run(u)
  return { 'replayed', x[X.generation] }
end
