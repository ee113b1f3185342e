--- Names of the versions of the library by which engines and workers that are known have spoken last.
-- @flags no-writes
-- @args
-- @reply string[]
-- @errors corruption schema_mismatch
return function(u)
  local names, seen = {}, {}
  local function add(name)
    if name == nil or seen[name] then return end
    seen[name] = true
    names[#names + 1] = name
  end
  for _, engine in ipairs(registries.engines(u)) do add(engine[5]) end
  for _, how in pairs(registries.workers(u)) do add(how[5]) end
  return names
end
