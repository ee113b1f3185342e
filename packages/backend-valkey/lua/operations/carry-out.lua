--- Does a bulk operation's deed to each item that still is of its generation. Answers of each what came of it: `done`, also by
-- an earlier call, `unchanged`, or why not.
-- @flags allow-oom
-- @repeat request
-- @brings terminal
-- @args namespace: string, deed: string, items: [id: string, generation: int][], replaysMax: int
-- @reply string[]
-- @errors corruption schema_mismatch invalid_arguments
local MAX = 100
local FAILURE = { 'budget_exceeded', 'a budget is past its hard limit' }
local deeds = {}

function deeds.cancel(u, x, is_same)
  if not is_same then return 'unchanged' end
  if state.is_terminal(x) then return x[X.out] == 'c' and 'done' or 'unchanged' end
  transition.cancel(u, x, 'operator')
  return 'done'
end

function deeds.replay(u, x, is_same, replays_max)
  -- Of another generation by now: it runs again, or did.
  if not is_same then return 'done' end
  if not state.is_terminal(x) then return 'replay_conflict' end
  if x[X.replays] >= replays_max then return 'max_replays_exceeded' end
  reopen.clear(u, x)
  transition.runnable(u, x, reopen.pending(x))
  return 'done'
end

local function breach(u, x, is_same, also_running)
  if not is_same then return 'unchanged' end
  if state.is_terminal(x) then
    local is_done = x[X.out] == 'c' and x[X.cause] == 'budget'
      or also_running and x[X.failure] ~= 0 and x[X.failure][1] == FAILURE[1]
    return is_done and 'done' or 'unchanged'
  end
  if x[X.phase] ~= 'a' then
    transition.cancel(u, x, 'budget')
  elseif also_running then
    transition.finish(u, x, 'f', 'c', nil, FAILURE)
  else
    return 'unchanged'
  end
  return 'done'
end

function deeds.budget_breach(u, x, is_same) return breach(u, x, is_same, false) end
function deeds.budget_breach_running(u, x, is_same) return breach(u, x, is_same, true) end

return function(u, a)
  local deed, items, ids, outcomes = deeds[a[2]], a[3], {}, {}
  if deed == nil or #items > MAX then call.refuse('invalid_arguments', 'a deed') end
  for place, item in ipairs(items) do ids[place] = item[1] end
  record.load(u, ids)
  for place, item in ipairs(items) do
    local x = u.records[item[1]]
    if not x or routes.of(u, x[X.rid]).ns ~= a[1] then outcomes[place] = 'unchanged'
    elseif a[2] == 'replay' and x[X.flow] ~= '' then call.refuse('invalid_arguments', 'a member')
    else outcomes[place] = deed(u, x, x[X.generation] == item[2], a[4]) end
  end
  resolve.fresh(u)
  if flush.is_needed(u) then flush.run(u) end
  return outcomes
end
