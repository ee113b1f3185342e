--- Releases a lease to wait for a condition, unless what came early is to be judged first, or satisfies it. `wait`: letters of the
-- reason and of what the timeout does, ms until that + 1 or 0, ms of the delay, whether waitpoints close. `named` are waitpoints
-- and `children` whole ids in the condition. `judged`: sequence up to which it was judged, how many ends, whether it holds, its
-- state, sequences and ends that have counted. One that begins is told with its revision, since when it stands, how many signals its
-- execution has, and its route.
-- @flags allow-oom
-- @brings terminal
-- @args namespaces: string[], handle: [execution: string, attempt: int, lease: string, epoch: int], id: string, wait: [reason: string, behaviour: string, timeout: int, delayMs: int, closes: boolean], waitpoints: [id: string, name: string, expiresMs: int][], named: string[], children: string[], withPayloads: boolean, condition: int, judged: [upTo: int, ends: int, holds: boolean, state: string, signals: int[], by: [id: string, generation: int, outcome: string][]]
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments
local SIGNALS_MAX, BYTES_MAX = 256, 1048576
local REASONS, BEHAVIOURS = { s = true, a = true, k = true, t = true, h = true }, { f = true, c = true, e = true, r = true, s = true, k = true }

local function check(a)
  local wait = a[4]
  if #a[3] ~= 36 or not REASONS[wait[1]] or (wait[3] > 0) ~= (BEHAVIOURS[wait[2]] == true) then
    call.refuse('invalid_arguments', 'a suspension')
  end
  for _, each in ipairs(a[5]) do
    if #each[1] ~= 36 then call.refuse('invalid_arguments', 'a waitpoint') end
  end
end

-- Waitpoints that are not there yet; or what the call is refused with.
local function find_fresh(u, x, a)
  local fresh, own = {}, {}
  for _, each in ipairs(a[5]) do
    local is_taken, row = waitpoints.look(u, x, each[1], each[2])
    if is_taken then return nil, { 'waitpoint_conflict', each[1] } end
    if row == nil then fresh[#fresh + 1] = each end
    own[each[1]] = true
  end
  local actual = (x[X.waits] and x[X.waits][V.waitpoints] or 0) + #fresh
  if #fresh > 0 and actual > waitpoints.MAX then return nil, { 'too_many_waitpoints', actual } end
  for _, id in ipairs(a[6]) do
    if not own[id] and waitpoints.read(u, x, id) == nil then return nil, { 'waitpoint_not_found', id } end
  end
  for _, child in ipairs(a[7]) do
    if child == x[X.flow] then return nil, { 'own_flow' } end
  end
  return fresh
end

-- What is to be judged, the oldest first.
local function tell_early(u, x, a, sequences, ends, bytes)
  local rows, heads, size = {}, signals.heads(u, x, sequences), 0
  for place, sequence in ipairs(sequences) do
    local head = heads[place]
    local length = a[8] and math.max(0, head[7]) or 0
    if place > 1 and size + length > BYTES_MAX then break end
    size = size + length
    if not a[8] then head[7] = -1 end
    rows[place] = { sequence, signals.tell(u, x, sequence, head, bytes) }
  end
  return { 'judge', ends, rows }
end

local function suspend(u, x, attempt, a, bytes)
  local cause = outcomes.cancel_cause(u, x)
  if cause then
    transition.touch(u, x)
    holders.cancel(u, x, attempt, cause)
    attempt[A.op], attempt[A.answer] = 'u', { 'cancelled' }
    return { 'cancelled' }
  end
  local id, wait, judged = a[3], a[4], a[10]
  if suspending.is_resumed(x) and x[X.waits][V.id] == id then return { 'already_satisfied' } end
  local fresh, refusal = find_fresh(u, x, a)
  if refusal then return refusal end
  local ends = {}
  for _, child in ipairs(a[7]) do ends[#ends + 1] = family.known_end(u, x, child) end
  if not judged[3] then
    local sequences = signals.seen(u, x, a[6], id, judged[1], SIGNALS_MAX)
    if #sequences > 0 or #ends > judged[2] then return tell_early(u, x, a, sequences, ends, bytes) end
  elseif #judged[5] > 0 and not (x[X.waits] and signals.are_seen(u, x, judged[5], id)) then
    return { 'again' }
  end
  transition.touch(u, x)
  attempt[A.effects] = 1
  local rows = {}
  for _, each in ipairs(fresh) do rows[each[1]] = waitpoints.add(u, x, each[1], each[2], each[3]) end
  local doc = { 's', call.bytes(u, a[9]) or '', judged[4], a[6], a[7], judged[5], judged[6] }
  if judged[3] then
    local w = waits.open(u, x)
    w[V.id], w[V.closes] = id, wait[5] and 1 or 0
    suspending.settle(u, x, 'c', doc, nil, rows)
    return { 'already_satisfied' }
  end
  for _, child in ipairs(a[7]) do family.await(u, x, child) end
  local times_out = wait[3] > 0 and u.now + wait[3] - 1 or 0
  attempt[A.state] = 'u'
  attempt[A.used] = attempt[A.used] + math.max(0, u.now - attempt[A.leased])
  suspending.begin(u, x, id, { wait[1], wait[2], wait[4], wait[5] and 1 or 0 }, times_out, doc)
  attempt[A.op], attempt[A.answer] = 'u', { 'suspended', id, times_out }
  -- A repeat is not told how it stood.
  local w = x[X.waits]
  return { 'suspended', id, times_out, w[V.revision], w[V.since], w[V.signals], x[X.rid] }
end

return function(u, a)
  check(a)
  local bytes, resumed = {}, nil
  local answers = holders.each(u, a[1], { a[2] }, 'u', function(x, attempt)
    local answer = suspend(u, x, attempt, a, bytes)
    if answer[1] == 'already_satisfied' then resumed = x end
    return answer
  end)
  flush.run(u)
  local answer = answers[1]
  if resumed then answer[2] = resumptions.tell(u, resumed, bytes) end
  return answer, bytes
end
