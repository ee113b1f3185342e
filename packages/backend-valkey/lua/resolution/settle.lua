--- Ends a flow as the judgement of its graph says, if it is still as it was when that was read. Answers its letter
-- then, '' where there is nothing to settle any more, and `moved` when it is to be read again. An entry goes with
-- either of the first two.
-- @flags allow-oom
-- @brings nothing
-- @args flow: string, entry: string, generation: int, revision: int, change: int, state: string
-- @reply string
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if a[6] ~= 'c' and a[6] ~= 'f' then call.refuse('invalid_arguments', 'a state') end
  local f = flows.get(u, a[1])
  local word = ''
  if settlement.is_due(f, a[3], a[4]) then
    if f[F.change] ~= a[5] then return 'moved' end
    flows.finish(u, f, f[F.state] == 'l' and 'x' or a[6])
    word = f[F.state]
  end
  if a[2] ~= '' then outbox.remove(u, a[2]) end
  flush.run(u)
  return word
end
