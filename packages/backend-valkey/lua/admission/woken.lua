--- These do not wait any more.
-- @flags allow-oom
-- @brings nothing
-- @args names: [name: string, waiters: [waiter: string, token: string][]][]
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  for _, each in ipairs(a[1]) do
    for _, waiter in ipairs(each[2]) do resources.forget_waiter(u, each[1], waiter[1], waiter[2]) end
  end
  resources.flush(u)
  return ''
end
