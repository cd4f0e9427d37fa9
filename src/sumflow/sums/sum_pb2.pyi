from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SumNumbersRequest(_message.Message):
    __slots__ = ("x", "y", "request_id", "total")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    x: int
    y: int
    request_id: str
    total: str
    def __init__(self, x: _Optional[int] = ..., y: _Optional[int] = ..., request_id: _Optional[str] = ..., total: _Optional[str] = ...) -> None: ...

class SumNumbersResponse(_message.Message):
    __slots__ = ("sum", "position")
    SUM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    sum: int
    position: str
    def __init__(self, sum: _Optional[int] = ..., position: _Optional[str] = ...) -> None: ...

class SumBatchRequest(_message.Message):
    __slots__ = ("x", "y", "request_id", "total", "totals")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    x: _containers.RepeatedScalarFieldContainer[int]
    y: _containers.RepeatedScalarFieldContainer[int]
    request_id: str
    total: str
    totals: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, x: _Optional[_Iterable[int]] = ..., y: _Optional[_Iterable[int]] = ..., request_id: _Optional[str] = ..., total: _Optional[str] = ..., totals: _Optional[_Iterable[str]] = ...) -> None: ...

class SumBatchResponse(_message.Message):
    __slots__ = ("accepted", "rejected", "position", "request_id")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: _containers.RepeatedCompositeFieldContainer[Rejection]
    position: str
    request_id: str
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., position: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
