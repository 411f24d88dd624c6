"""The rule `receipts`: what time tells about receipts — overdue rungs, receipts without a message, silent accounts."""
