--- All engines that are known.
-- @flags no-writes
-- @args
-- @reply [engine: string, label: string, startedMs: int, seenMs: int][]
-- @errors corruption schema_mismatch
return function(u)
  local list = {}
  for place, each in ipairs(registries.engines(u)) do list[place] = { each[1], each[2], each[3], each[4] } end
  return list
end
