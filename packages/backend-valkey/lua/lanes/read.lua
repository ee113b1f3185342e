--- The home records of a namespace's lanes that are kept here; of one lane where it is named.
-- @flags no-writes
-- @args namespace: string, lane: string
-- @reply [lane: string, record: unknown[]][]
-- @errors corruption schema_mismatch
return function(u, a)
  if a[2] == '' then return homes.all(u, a[1]) end
  local record = homes.read(u, a[1], a[2])
  return record and { { a[2], record } } or {}
end
