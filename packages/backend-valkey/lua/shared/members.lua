-- What a flow knows of its members: exact counts, and whether they may start.

local LOSERS = { sibling = true, ancestor = true }

-- An end that a flow must have absorbed to complete.
local function is_bad(x, public)
  return public == 'f' or public == 'e' or (public == 'x' and not LOSERS[x[X.cause]])
end

local function add(counts, letter, n)
  local count = (counts[letter] or 0) + n
  counts[letter] = count ~= 0 and count or nil
end

-- A member of the flow went from one public state to another; `before` is false for a new one. Of one that has ended, whether
-- that is an end that the flow must have absorbed, and until when it is kept.
function members.count(u, f, before, public, has_failed, kept)
  flows.changed(u, f)
  local counts = f[F.counts]
  if before then add(counts, before, -1) end
  add(counts, public, 1)
  local had_ended, has_ended = before and state.ended[before], state.ended[public]
  if before == false then f[F.members] = f[F.members] + 1 end
  if has_ended and not had_ended then
    if before then f[F.open] = f[F.open] - 1 end
    if has_failed then f[F.bad] = f[F.bad] + 1 end
    if kept > f[F.kept] then f[F.kept] = kept end
  elseif not has_ended and (before == false or had_ended) then
    f[F.open] = f[F.open] + 1
  end
  if public == 'a' and f[F.first_start] == 0 then f[F.first_start] = u.now end
end

function members.moved(u, x, before, public)
  members.count(u, flows.require(u, x[X.flow]), before, public, is_bad(x, public), x[X.kept])
end

-- Members that came in parts are counted as waiting when their graph is committed, and each as what it is when it arrives.
function members.expect(u, f, n)
  flows.changed(u, f)
  f[F.members] = f[F.members] + n
  f[F.open] = f[F.open] + n
  add(f[F.counts], 'b', n)
end

-- To be called before the first transition of one that was expected.
function members.arrive(u, f)
  flows.touch(u, f)
  f[F.members] = f[F.members] - 1
  f[F.open] = f[F.open] - 1
  add(f[F.counts], 'b', -1)
end

-- Before a replay clears what it came to.
function members.forgive(u, x)
  local f = flows.require(u, x[X.flow])
  if is_bad(x, state.public(x)) then
    flows.touch(u, f)
    f[F.bad] = f[F.bad] - 1
  end
end

-- A flow that ended by `flow_only` lets its members run on; a cancelling one starts only the finalisers that it spares.
function members.may_start(u, x)
  local f = flows.require(u, x[X.flow])
  local letter = f[F.state]
  if letter == 'd' or letter == 'p' or f[F.expiring] == 1 then return false end
  return letter ~= 'l' or (x[X.always] == 1 and f[F.finalisers] == 1)
end

-- Whether its flow's cancel ends it rather than let it become runnable again.
function members.is_ended_by_flow(u, x)
  local f = flows.require(u, x[X.flow])
  return f[F.state] == 'l' and not (x[X.always] == 1 and f[F.finalisers] == 1)
end

-- The ids of all members, in order.
function members.ids(u, id, from, to)
  local text = redis.call('GETRANGE', flows.key(u, id, 'members'), (from - 1) * 36, to * 36 - 1)
  local list = {}
  for place = 1, #text, 36 do list[#list + 1] = string.sub(text, place, place + 35) end
  return list
end
