-- What follows from a state: the same tables as core's `state` and `decisions/timers`, which a test holds them to.
-- Letters are those of `src/records/letters.ts`.

local TERMINAL = { s = 'c', f = 'f', c = 'x', e = 'e', k = 'k' }

-- The public state, as a letter.
function state.public(x)
  local phase = x[X.phase]
  if phase == 'r' then
    local elig = x[X.elig]
    if elig == 'e' then return x[X.att] == 'm' and 'm' or 'w' end
    if elig == 't' then return 'd' end
    if elig == 'd' then return 'b' end
    if elig == 'b' or elig == 'q' then return 'q' end
    return 'w'
  end
  if phase == 'a' then return 'a' end
  if phase == 't' then return TERMINAL[x[X.out]] end
  if phase == 'u' then return 'b' end
  return 's'
end

function state.is_terminal(x)
  return x[X.phase] == 't'
end

-- Letters of public states in which an execution has ended.
state.ended = { c = true, f = true, x = true, e = true, k = true }

local DELAYS = { s = 'd', r = 'r', c = 'c', m = 'm' }

-- Eligibility and reason of a runnable execution: dependencies, then an operator's hold, then time.
function state.dominant_block(x, now)
  if x[X.deps] == 1 then return 'd', 'n' end
  if x[X.held] == 1 then return 'o', 'o' end
  if x[X.not_before] > now then return 't', DELAYS[x[X.delay]] or 'd' end
  return 'e', 'w'
end

function state.deadline(x)
  local policy = x[X.policy]
  if policy == 0 or policy[P.deadline] == 0 or x[X.first_at] == 0 then return 0 end
  return x[X.first_at] + policy[P.deadline]
end

function state.queue_ttl(x)
  local policy = x[X.policy]
  if policy == 0 or policy[P.queue_ttl] == 0 or x[X.first_at] == 0 or x[X.epoch] > x[X.gen_epoch] then return 0 end
  return x[X.first_at] + policy[P.queue_ttl]
end

-- The earliest timer: its kind and time, or nil. At equal times the order here decides.
function state.next_timer(x, with_lease)
  if x[X.phase] == 't' then return nil end
  local kind, at = nil, 0
  local function look(candidate, time)
    if time > 0 and (kind == nil or time < at) then kind, at = candidate, time end
  end
  look('cancel_grace', x[X.grace])
  if x[X.policy] ~= 0 then
    look('execution_deadline', state.deadline(x))
    look('queue_ttl', state.queue_ttl(x))
  end
  if x[X.phase] == 'a' then
    local attempt = x[X.attempt]
    look('attempt_timeout', attempt[A.deadline])
    if with_lease then look('lease_expiry', attempt[A.expires]) end
  end
  if x[X.phase] == 's' and x[X.waits][V.escalated] == 0 then look('suspension_timeout', x[X.waits][V.times_out]) end
  if x[X.elig] == 't' then look('delayed_promotion', x[X.not_before]) end
  return kind, at
end

-- A claim looks at due deadlines by itself: what is past one is no work any more.
function state.is_past_deadline(x, now)
  if x[X.policy] == 0 then return false end
  local deadline, ttl = state.deadline(x), state.queue_ttl(x)
  return (deadline > 0 and deadline <= now) or (ttl > 0 and ttl <= now)
end
