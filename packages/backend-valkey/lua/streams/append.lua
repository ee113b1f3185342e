--- Appends frames that were judged by their stream's head, if it is still that one; else answers the head that there is, with
-- the place of its document. `head` is what it becomes: number of the next, base of the lease, durable frames and bytes,
-- patches. Frames are [number, mode, type or false, place]; `bounds` are those of capped ones: how many, bytes, ms.
-- @flags
-- @brings record
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, expected: [number: int, at: int], head: [next: int, base: int, durable: int, durableBytes: int, patches: int], document: int, frames: [number: int, mode: string, type: unknown, place: int][]][], bounds: [frames: int, bytes: int, ageMs: int]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local bytes = {}
  local answers = holders.each(u, a[1], a[2], 'a', function(x, attempt, item)
    local id = item[1]
    local head, expected, wanted, frames = streams.head(u, id, item[2]), item[5], item[6], item[8]
    if head[H.next] ~= expected[1] or head[H.written] ~= expected[2] then
      local document = head[H.patches] > 0 and streams.document(u, id, item[2])
      if document then bytes[#bytes + 1] = document end
      return { 'moved', head, document and #bytes or 0 }
    end
    if #frames > 0 then
      local document = call.bytes(u, item[7])
      local next_head = {
        wanted[1], item[4], wanted[2], wanted[3], wanted[4], head[H.capped], head[H.capped_bytes], wanted[5],
        document and u.now or head[H.patched], u.now,
      }
      streams.append(u, id, item[2], next_head, document, frames, a[3])
      if attempt[A.effects] == 0 then
        transition.touch(u, x)
        attempt[A.effects] = 1
      end
      head = next_head
    end
    return { 'written', head[H.written] }
  end)
  flush.run(u)
  return answers, bytes
end
