--- Whether anything of the partition is past its retention.
-- @flags no-writes
-- @args
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u)
  return retention.is_due(u)
end
