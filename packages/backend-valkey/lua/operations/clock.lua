--- A partition's time, which its reply's news tell: what is there by then was created by then.
-- @flags no-writes
-- @args
-- @reply boolean
-- @errors corruption schema_mismatch
return function()
  return true
end
