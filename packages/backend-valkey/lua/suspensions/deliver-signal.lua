--- Keeps a signal, or says what is to be judged first: the condition and its state come along. `verdict`: '' not judged, c counted,
-- n not needed; then the revision, the sequence of the signal, the state that it leads to, whether the condition holds by it, what
-- has counted, and since when the suspension stands that it was judged by.
-- @flags
-- @brings record
-- @args namespace: string, waitpoint: string, signal: [id: string, name: string, key: string, payload: int, source: unknown], verdict: [word: string, revision: int, sequence: int, state: string, holds: boolean, signals: int[], ends: [id: string, generation: int, outcome: string][], sinceMs: int]
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments not_found
local function names(doc, waitpoint)
  for _, id in ipairs(doc[4]) do
    if id == waitpoint then return true end
  end
  return false
end

local function keep(u, x, a, row, outcome, user)
  local id, name, key, payload, source = unpack(a[3])
  local sequence = signals.keep(u, x, a[2], row, { id, name, key, call.bytes(u, payload), source }, user)
  waitpoints.put(u, x, a[2], row)
  events.signal(u, x, id, a[2], name, outcome)
  return sequence
end

local function deliver(u, x, a, row, bytes)
  local known = signals.known(u, x, a[2], a[3][3])
  if known then return { 'duplicate', known } end
  if waitpoints.state(u, x, row) ~= 'o' then return { 'waitpoint_closed' } end
  local verdict = a[4]
  if suspending.stands(x) then
    local doc = suspending.read(u, x)
    if names(doc, a[2]) then
      local w = x[X.waits]
      if verdict[1] == '' or verdict[2] ~= w[V.revision] or verdict[3] ~= w[V.signals] + 1 or verdict[8] ~= w[V.since] then
        bytes[1], bytes[2] = doc[2], doc[3]
        return { 'judge', w[V.revision], w[V.signals] + 1, record.id(u, x), w[V.since] }
      end
      if verdict[1] == 'c' then
        local sequence = keep(u, x, a, row, verdict[5] and 's' or 'a', verdict[5] and w[V.id] or '')
        suspending.count(u, x, doc, { verdict[4], verdict[6], verdict[7] })
        if not verdict[5] then return { 'accepted' } end
        suspending.resume(u, x, 'c', doc, sequence, { [a[2]] = row })
        return { 'satisfied' }
      end
    end
  end
  if signals.is_full(row) then return { 'too_many_signals' } end
  keep(u, x, a, row, 'b', '')
  return { 'buffered' }
end

return function(u, a)
  local signal = a[3]
  if #signal[1] ~= 36 or (signal[5] ~= false and type(signal[5]) ~= 'string') then call.refuse('invalid_arguments', 'a signal') end
  local x, row = waitpoints.find(u, a[1], a[2])
  local bytes = {}
  local answer = deliver(u, x, a, row, bytes)
  flush.run(u)
  return answer, bytes
end
