--- An execution's input, wherever it is, with its record: for what must be known of it before it is replaced.
-- @flags no-writes
-- @args namespace: string, id: string
-- @reply boolean
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.input] ~= 2 then return false, { record.stored(u, x) } end
  local input = redis.call('GET', record.payload_key(u, a[2], 'input'))
  if not input then call.refuse('corruption', record.payload_key(u, a[2], 'input')) end
  return true, { record.stored(u, x), input }
end
