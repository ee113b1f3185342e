--- Quotas of a namespace that have their home here, newest first, from behind a place on.
-- @flags no-writes
-- @args namespace: string, createdMs: number, id: string, max: int
-- @reply [id: string, settings: unknown[]][]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for _, id in ipairs(directory.newest(u, quotas.list_key(u, a[1]), a[2], a[3], a[4])) do
    local settings = quotas.settings(u, id)
    if settings then told[#told + 1] = { id, settings } end
  end
  return told
end
