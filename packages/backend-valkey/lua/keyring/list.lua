--- All signing keys, in no order: their ids and [fingerprint, signs from, retired, verifies until], with -1 for what is not set.
-- @flags no-writes
-- @args
-- @reply [key: string, record: unknown[]][]
-- @errors corruption schema_mismatch
return function(u)
  local list = {}
  local stored = redis.call('HGETALL', directory.key(u, 'keyring'))
  for place = 1, #stored, 2 do
    list[#list + 1] = { stored[place], directory.decode(u, 'keyring', stored[place + 1]) }
  end
  return list
end
