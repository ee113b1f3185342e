--- The document of an attempt's patches, if there is one, with how many there were, and the time of the last or 0. `attempt` is
-- its index + 1; 0: the newest.
-- @flags no-writes
-- @args namespace: string, id: string, attempt: int
-- @reply [attempts: int, attempt: int, patches: int, patchedAt: int, document: int]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  local index = a[3] > 0 and a[3] - 1 or math.max(0, x[X.attempts] - 1)
  local head, bytes = streams.head(u, a[2], index), {}
  if head[H.patches] > 0 then bytes[1] = streams.document(u, a[2], index) or nil end
  return { x[X.attempts], index, head[H.patches], head[H.patched], #bytes }, bytes
end
