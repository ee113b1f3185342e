-- MGET tells nothing of a key that holds another type. So whatever was not found is asked for once more, all of it together.

-- Of keys under which nothing was found: whether something of another type is under any, and then which.
function foreign.among(keys)
  if #keys == 0 or redis.call('EXISTS', unpack(keys)) == 0 then return false end
  local held = {}
  for _, key in ipairs(keys) do held[key] = redis.call('EXISTS', key) == 1 end
  return held
end
