--- The partition's clock.
-- @flags no-writes
-- @args
-- @reply number
-- @errors schema_mismatch
return function(u)
  return u.now
end
