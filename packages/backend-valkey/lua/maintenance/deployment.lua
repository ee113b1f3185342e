--- What is fixed for the deployment.
-- @flags no-writes
-- @args
-- @reply [flow: string, budget: string, quota: string, stoppedMs: string]
-- @errors schema_mismatch
return function(u)
  local kept = redis.call('HMGET', u.key.root .. ':deployment:' .. u.key.tag, 'flow', 'budget', 'quota', 'stopped')
  if not kept[1] then call.refuse('schema_mismatch', 'none') end
  return kept
end
