--- Frames of an attempt from a number on, and if `across` of later ones, with what is recorded of the attempt: its state and what
-- ended it by their letters ('' where it has not begun), and the number of its next frame. `attempt` is its index + 1; 0: the
-- newest. The bytes are one frame each.
-- @flags no-writes
-- @args namespace: string, id: string, attempt: int, from: int, limit: int, across: boolean, bytesMax: int
-- @reply [attempts: int, terminal: boolean, attempt: int, state: string, by: string, next: int, rows: [attempt: int, number: int, mode: string, type: string, at: int, place: int][], more: boolean]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  local count = x[X.attempts]
  local index = a[3] > 0 and a[3] - 1 or math.max(0, count - 1)
  local attempt
  if index == count - 1 then attempt = x[X.attempt]
  elseif index < count then attempt = attempts.read(u, a[2], index) end
  local rows, bytes, more = streams.read(u, a[2], index, a[4], a[5], a[6], a[7])
  local head = streams.head(u, a[2], index)
  return {
    count, x[X.phase] == 't', index, attempt and attempt[A.state] or '', attempt and attempt[A.by] or '', head[H.next], rows, more,
  }, bytes
end
