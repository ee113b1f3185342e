--- Up to `max` tokens behind that one by id, and whether there are more.
-- @flags no-writes
-- @args after: string, max: int
-- @reply [tokens: [token: string, record: unknown[]][], more: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local ids, more = directory.places(u, 'tokens', a[1], math.min(a[2], 1000))
  return { directory.records(u, 'tokens', ids), more }
end
