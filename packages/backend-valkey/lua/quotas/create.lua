--- Makes a quota, in the partition of its empty key. Answers whether the id is taken, and what stands under it.
-- @brings submit
-- @args id: string, settings: [version: int, ns: string, created: int, content: string, label: string, units: int, window: int, concurrency: int, strategy: string, past: string]
-- @reply [isNew: boolean, settings: unknown[]]
-- @errors corruption schema_mismatch
return function(u, a)
  local known = quotas.settings(u, a[1])
  if known then return { false, known } end
  local settings = a[2]
  settings[Q.version], settings[Q.created], settings[Q.past] = 1, u.now, ''
  quotas.put_settings(u, a[1], settings)
  flush.staged(u).add(quotas.list_key(u, settings[Q.ns]), u.now, a[1])
  resources.flush(u)
  return { true, settings }
end
