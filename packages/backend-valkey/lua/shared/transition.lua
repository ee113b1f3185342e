-- The only writer of an execution's state: vector, blocks, times, lease and last attempt. Every way ends in `announce`,
-- which tells the feed, its flow, its downstreams and whoever waits. Indexes follow from the record (`project`).

local function announce(u, x)
  if x[X.demands] then demands.moved(u, x) end
  local s, public, generation = u.slips[x], state.public(x), x[X.generation]
  local was = s[S.said]
  if was == public and s[S.generation] == generation then return end
  s[S.said], s[S.generation] = public, generation
  events.execution(u, x, was, public)
  if was == 'a' or public == 'a' then lanes.moved(u, x, public) end
  if x[X.flow] ~= '' then members.moved(u, x, was, public) end
  if state.ended[public] then
    outbox.leave_completion(u, x)
    if x[X.waits] then family.ended(u, x, public) end
    hints.ended(u, s[S.id])
  end
end

-- To be called before the first change of an execution in a call.
local function touch(u, x)
  if x[X.staged] == 1 then release.member(u, x) end
  record.touch(u, x)
end
transition.touch = touch

local function set(x, phase, own, elig, why, out, att)
  x[X.phase], x[X.own], x[X.elig], x[X.why], x[X.out], x[X.att] = phase, own, elig, why, out, att
end

-- Sets a time before which it may not start; one that is not in the future is none.
function transition.hold_until(u, x, at, reason)
  local is_later = at > u.now
  x[X.not_before] = is_later and at or 0
  x[X.delay] = is_later and reason or ''
end

local function drop_lease(x)
  local attempt = x[X.attempt]
  if attempt ~= 0 then
    attempt[A.expires] = 0
    attempt[A.deadline] = 0
    attempt[A.claim] = ''
  end
end

-- Only a change of ready time or priority writes it, so that changed ageing holds for later work.
function transition.write_score(u, x)
  if x[X.ready_at] ~= 0 then x[X.score] = lanes.score(u, x) end
end

-- Puts it among the runnable, under whatever blocks it has now.
function transition.runnable(u, x, att, own, eligible_at)
  touch(u, x)
  if x[X.phase] == 'a' then drop_lease(x) end
  local elig, why = state.dominant_block(x, u.now)
  if elig ~= 'e' then
    set(x, 'r', own or '-', elig, why, '-', att)
    announce(u, x)
    return
  end
  x[X.not_before] = 0
  x[X.delay] = ''
  local at = eligible_at or u.now
  if x[X.first_at] == 0 then x[X.first_at] = at end
  if x[X.ready_at] == 0 then
    x[X.ready_at] = at
    transition.write_score(u, x)
  end
  -- An attempt that was put aside goes on once nothing blocks it any more.
  set(x, 'r', own or '-', 'e', 'w', '-', att == 'i' and 'm' or att)
  announce(u, x)
end

-- Judges the blocks again, after one of them was put or lifted.
function transition.rejudge(u, x, eligible_at)
  transition.runnable(u, x, x[X.att], x[X.own], eligible_at)
end

-- Makes it active under a new lease: [id, instance, claim, worker, ttl].
function transition.active(u, x, lease)
  touch(u, x)
  x[X.epoch] = x[X.epoch] + 1
  local before = x[X.att]
  local attempt
  if before == 'm' then
    attempt = x[X.attempt]
    attempt[A.state] = 's'
    attempt[A.op] = ''
    attempt[A.answer] = 0
    attempt[A.effects] = 1
  else
    attempt = attempts.begin(u, x)
  end
  local timeout = policy.attempt_timeout(x)
  attempt[A.epoch] = x[X.epoch]
  attempt[A.lease] = lease[1]
  attempt[A.instance] = lease[2]
  attempt[A.claim] = lease[3]
  attempt[A.worker] = lease[4]
  attempt[A.leased] = u.now
  attempt[A.expires] = u.now + lease[5]
  -- Active time only: what the attempt used under earlier leases is taken off.
  attempt[A.deadline] = timeout == 0 and 0 or u.now + timeout - attempt[A.used]
  attempt[A.before] = before
  x[X.yielded] = ''
  set(x, 'a', 'l', '-', '-', '-', 'r')
  announce(u, x)
end

-- Has it wait for room in a quota or a budget: it keeps its attempt, and who last held it.
function transition.throttled(u, x, letter)
  touch(u, x)
  set(x, 'r', x[X.own], letter, letter, '-', x[X.att])
  announce(u, x)
end

-- Has it wait for what its suspension says, which stands by then; its attempt is kept.
function transition.suspended(u, x)
  touch(u, x)
  if x[X.phase] == 'a' then drop_lease(x) end
  x[X.ready_at] = 0
  local w = x[X.waits]
  set(x, 's', '-', '-', w[V.escalated] == 1 and 'o' or w[V.reason], '-', 'i')
  announce(u, x)
end

-- Ends it: every terminal transition goes through here. `out` is its letter; `by` closes an attempt that is still open.
function transition.finish(u, x, out, by, cause, failure, result)
  touch(u, x)
  if attempts.is_open(x[X.attempt]) then attempts.close(u, x, 'x', by) end
  if x[X.phase] == 'a' then
    -- Who ends it by itself need not be told.
    if by ~= 'h' then hints.attention(u, record.id(u, x)) end
    drop_lease(x)
  end
  if x[X.waits] then suspending.drop(u, x) end
  x[X.deps] = 0
  x[X.held] = 0
  x[X.not_before] = 0
  x[X.delay] = ''
  x[X.asked] = ''
  x[X.grace] = 0
  x[X.cause] = cause or ''
  x[X.failure] = failure or 0
  x[X.ended] = u.now
  x[X.kept] = u.now + (policy.retention(x) or lanes.of_execution(u, x).retention)
  if result ~= nil then record.set_result(u, x, result) end
  set(x, 't', '-', '-', '-', out, 'z')
  announce(u, x)
end

-- Ends it as cancelled. Whoever asked first is the cause.
function transition.cancel(u, x, cause)
  transition.finish(u, x, 'c', 'c', x[X.asked] ~= '' and x[X.asked] or cause)
end

-- Writes the same vector: its timers may have changed.
function transition.rearm(u, x)
  touch(u, x)
end

function transition.create(u, id, x)
  record.create(u, id, x)
end

transition.set = set
transition.announce = announce
