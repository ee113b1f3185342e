--- A quota's settings as they stand in the partition, or nothing.
-- @flags no-writes
-- @args id: string
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  return quotas.settings(u, a[1]) or {}
end
