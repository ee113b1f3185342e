--- Retires a signing key for ever: the time until which it verifies can only come nearer. An empty answer: there is none.
-- @flags allow-oom
-- @brings record
-- @args key: string, verifyUntilMs: int
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  local record = directory.get(u, 'keyring', a[1])
  if not record then return {} end
  if record[3] == -1 then record[3] = u.now end
  if record[4] == -1 or a[2] < record[4] then record[4] = a[2] end
  directory.set(u, 'keyring', a[1], record)
  return record
end
