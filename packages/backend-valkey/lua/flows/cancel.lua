--- Cancels a flow by policy, and the first of its members that the cancel does not spare. `frozen` is the place of
-- the result that a cancel of the flow alone leaves, judged by its graph as of `change`; `isJudged`: its ends were
-- carried on, as far as they can be. Answers what became of it, or what is to be done before the caller comes again.
-- @flags allow-oom
-- @repeat request
-- @brings terminal
-- @args namespace: string, flow: string, policy: string, finalisers: boolean, isJudged: boolean, change: int, frozen: int, max: int
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found invalid_arguments
local function answer(u, f, is_done)
  resolve.fresh(u)
  flush.run(u)
  return { 'cancelling', f[F.open], is_done }
end

local function leave(u, f, a)
  local frozen = call.bytes(u, a[7])
  if not frozen or f[F.change] ~= a[6] then return { 'judge_result' } end
  cancels.leave(u, f, frozen)
  flush.run(u)
  return { 'left' }
end

return function(u, a)
  if a[3] ~= 'a' and a[3] ~= 'p' and a[3] ~= 'f' then call.refuse('invalid_arguments', 'a policy') end
  local f = flows.find(u, a[1], a[2])
  local letter = f[F.state]
  if flows.is_ended(f) then return { 'flow_terminal', letter } end
  if letter == 'p' then return { 'finish_replay' } end
  -- Its deadline came first.
  if f[F.expiring] == 1 then return { 'finish_ending' } end
  if letter == 'd' then
    local _, is_done = cancels.draft(u, f, 'flow', a[8])
    return answer(u, f, is_done)
  end
  if letter == 'o' and f[F.open] == 0 and not a[5] then return { 'judge_ends' } end
  if a[3] == 'f' then
    if letter ~= 'o' then return { 'flow_not_open', letter } end
    return leave(u, f, a)
  end
  local _, is_done = cancels.start(u, f, a[3], a[4], a[8])
  return answer(u, f, is_done)
end
