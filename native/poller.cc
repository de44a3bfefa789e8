#include "poller.h"

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "arguments.h"
#include "descriptor.h"

namespace esplanade {
namespace {

constexpr napi_type_tag kPollerTag = {0x506f6c6c65723a95ULL, 0xb16ce08a2f47d311ULL};

// What libuv keeps until it has let go of the handle. It may outlive the JavaScript object, and the object it.
struct Handle {
  uv_poll_t poll;
  // A copy of the caller's descriptor: nobody closes it behind libuv's back.
  UniqueFd fd;
  class Poller* owner = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
};

class Poller : public Napi::ObjectWrap<Poller> {
 public:
  explicit Poller(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Poller>(info), context_(info.Env(), "esplanade.Poller") {
    const Napi::Env env = info.Env();
    int fd;
    if (!TakeInteger(env, info[0], 0, INT32_MAX, "fd", &fd)) return;
    if (!info[1].IsFunction()) {
      Complain(env, "callback is not a function");
      return;
    }
    uv_loop_s* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
      Complain(env, "the environment has no event loop");
      return;
    }
    auto handle = std::make_unique<Handle>();
    handle->fd = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const int error = handle->fd.valid() ? uv_poll_init(loop, &handle->poll, handle->fd.get()) : -errno;
    if (error != 0) {
      Napi::Error failure = Napi::Error::New(env, "the descriptor cannot be watched");
      failure.Set("code", ErrnoName(-error));
      failure.Set("syscall", "uv_poll_init");
      failure.ThrowAsJavaScriptException();
      return;
    }
    Mark(env, info.This().As<Napi::Object>(), kPollerTag);
    handle_ = handle.release();
    handle_->owner = this;
    handle_->poll.data = handle_;
    napi_add_async_cleanup_hook(env, AtEnvironmentsEnd, handle_, &handle_->hook);
    callback_ = Napi::Persistent(info[1].As<Napi::Function>());
    // Alive until it is closed.
    Ref();
  }

  ~Poller() override {
    if (handle_ != nullptr) Release(std::exchange(handle_, nullptr));
  }

  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Poller",
                       {InstanceMethod<&Poller::Watch>("watch"), InstanceMethod<&Poller::Close>("close")});
  }

 private:
  // Ends libuv's use of a handle; libuv frees it on the loop's next turn.
  static void Release(Handle* handle) {
    handle->owner = nullptr;
    uv_handle_t* base = reinterpret_cast<uv_handle_t*>(&handle->poll);
    if (uv_is_closing(base)) return;
    uv_poll_stop(&handle->poll);
    handle->fd.Close();
    uv_close(base, [](uv_handle_t* closed) {
      Handle* done = static_cast<Handle*>(closed->data);
      if (done->hook != nullptr) napi_remove_async_cleanup_hook(done->hook);
      delete done;
    });
  }

  static void AtEnvironmentsEnd(napi_async_cleanup_hook_handle, void* data) {
    Handle* handle = static_cast<Handle*>(data);
    if (handle->owner != nullptr) handle->owner->handle_ = nullptr;
    Release(handle);
  }

  static void OnReady(uv_poll_t* poll, int status, int events) {
    Poller* owner = static_cast<Handle*>(poll->data)->owner;
    if (owner != nullptr) owner->Tell(status < 0 ? UV_READABLE | UV_WRITABLE : events);
  }

  void Tell(int events) {
    const Napi::Env env = Env();
    const Napi::HandleScope scope(env);
    // The callback may close this poller: nothing of it is touched afterwards.
    const Napi::Maybe<Napi::Value> result =
        callback_.Value().MakeCallback(env.Global(), {Napi::Number::New(env, events)}, context_);
    if (result.IsNothing() && env.IsExceptionPending())
      napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }

  // What to wait for: 1 = readable, 2 = writable, 0 = nothing, which also lets the loop end.
  void Watch(const Napi::CallbackInfo& info) {
    int events;
    if (!IsMarked(info.Env(), info.This(), kPollerTag)) {
      Complain(info.Env(), "not a Poller");
      return;
    }
    if (!TakeInteger(info.Env(), info[0], 0, 3, "events", &events) || handle_ == nullptr) return;
    if (events == 0)
      uv_poll_stop(&handle_->poll);
    else
      uv_poll_start(&handle_->poll, events, OnReady);
  }

  void Close(const Napi::CallbackInfo& info) {
    if (!IsMarked(info.Env(), info.This(), kPollerTag)) {
      Complain(info.Env(), "not a Poller");
      return;
    }
    if (handle_ == nullptr) return;
    Release(std::exchange(handle_, nullptr));
    Unref();
  }

  Napi::AsyncContext context_;
  Napi::FunctionReference callback_;
  Handle* handle_ = nullptr;
};

}  // namespace

void InitPoller(Napi::Env env, Napi::Object exports) { exports.Set("Poller", Poller::Define(env)); }

}  // namespace esplanade
