-- Ends of whole flows: by a cancel, at a deadline, when a draft was not sealed in time. Members are ended in order,
-- a bounded number in each step; the flow says how far that has come, and until it is over nothing of the flow
-- starts or is decided.

-- How many members are read with one command, and looked at in one step.
local AHEAD = 100
local LOOKED_MAX = 500

local function is_to_end(u, f, x)
  if state.is_terminal(x) then return false end
  if f[F.expiring] == 1 then return true end
  if not members.is_ended_by_flow(u, x) then return false end
  return f[F.policy] == 'a' or x[X.phase] ~= 'a'
end

local function end_member(u, f, x)
  if f[F.expiring] == 1 then
    transition.finish(u, x, 'e', 'd', nil, { 'deadline', 'its deadline passed' })
  else
    transition.cancel(u, x, f[F.cause])
  end
end

local function finish(u, f)
  f[F.walk] = -1
  f[F.expiring] = 0
  outbox.unpark(u, u.flow_ids[f])
end

-- Goes on, with at most so many members that it ends. One whose record does not decode is left alone. Answers how
-- many were ended, and whether all have been looked at. The caller resolves the ends.
function cancels.next(u, f, max)
  if f[F.walk] <= 0 then return 0, true end
  flows.touch(u, f)
  local id, ended, looked = u.flow_ids[f], 0, 0
  while f[F.walk] <= f[F.members] and ended < max and looked < LOOKED_MAX do
    local ids = members.ids(u, id, f[F.walk], math.min(f[F.walk] + AHEAD - 1, f[F.members]))
    if #ids == 0 then call.refuse('corruption', flows.key(u, id, 'members')) end
    record.load(u, ids, {})
    for _, member in ipairs(ids) do
      if ended == max then break end
      local x = u.records[member]
      if x and is_to_end(u, f, x) then
        end_member(u, f, x)
        ended = ended + 1
      end
      f[F.walk] = f[F.walk] + 1
      looked = looked + 1
    end
  end
  if f[F.walk] <= f[F.members] then return ended, false end
  finish(u, f)
  settlement.look(u, f)
  return ended, true
end

local function begin(u, f, cause, max)
  f[F.cause] = cause
  f[F.walk] = 1
  if f[F.state] ~= 'l' then flows.set_state(u, f, 'l') end
  return cancels.next(u, f, max)
end

-- By policy, 'a' or 'p'. A later call may widen a cancel, never narrow it. Answers as `cancels.next`.
function cancels.start(u, f, policy_letter, spares, max)
  flows.touch(u, f)
  if f[F.policy] == '' then
    f[F.policy], f[F.finalisers], f[F.requested] = 'p', 1, u.now
  end
  if policy_letter == 'a' then f[F.policy] = 'a' end
  if not spares then f[F.finalisers] = 0 end
  return begin(u, f, 'flow', max)
end

-- A draft goes as a whole, finalisers included. Answers as `cancels.next`.
function cancels.draft(u, f, cause, max)
  flows.touch(u, f)
  f[F.policy], f[F.finalisers], f[F.requested] = 'a', 0, u.now
  f[F.draft_expires] = 0
  return begin(u, f, cause, max)
end

-- The flow ends; its members run on, and their ends no longer touch it. `frozen` is its result as of now.
function cancels.leave(u, f, frozen)
  flows.touch(u, f)
  f[F.policy], f[F.finalisers], f[F.requested] = 'f', 1, u.now
  aside.put(u, flows.key(u, u.flow_ids[f], 'frozen'), frozen)
  flows.finish(u, f, 'x')
end

-- For the timers. What is left after this step goes on with `flows_cancel_next`, or with the dispatcher's backlog.
function cancels.expire_flow(u, f, max)
  flows.touch(u, f)
  f[F.expiring] = 1
  f[F.walk] = 1
  return cancels.next(u, f, max)
end

function cancels.expire_draft(u, f, max)
  return cancels.draft(u, f, 'draft_expired', max)
end
